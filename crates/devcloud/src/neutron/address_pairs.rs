//! `allowed_address_pairs` of a port.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::attributes::Attributes;
use super::fault::Fault;
use crate::model::Model;
use crate::model::port::{AddressPair, Port, normal_mac};

const NAME: &str = "allowed_address_pairs";

/// Reads the pairs of a request, in the order Neutron lists them. Addresses, ranges and hardware addresses stay as
/// they are written; a missing hardware address is the port's.
pub(crate) fn read(
    model: &Model,
    item: &mut Attributes,
    own_mac: &str,
) -> Result<Option<Vec<AddressPair>>, Fault> {
    let objects = match item.take(NAME) {
        None => return Ok(None),
        Some(Value::Null) => Vec::new(),
        Some(Value::Array(objects)) => objects,
        Some(_) => return Err(Fault::request("Allowed address pairs must be a list.")),
    };
    if objects.len() > model.most_pairs {
        return Err(Fault::bad(
            "AllowedAddressPairExhausted",
            format!("The number of allowed address pair exceeds the maximum {}.", model.most_pairs),
        ));
    }
    let mut pairs: Vec<AddressPair> = Vec::new();
    for object in objects {
        let Value::Object(object) = object else {
            return Err(Fault::attribute(NAME, format!("'{object}' is not a dictionary")));
        };
        let pair = pair(&object, own_mac)?;
        if pairs.iter().any(|other| key(other) == key(&pair)) {
            return Err(Fault::bad(
                "DuplicateAddressPairInRequest",
                format!(
                    "Request contains duplicate address pair: mac_address {} ip_address {}.",
                    pair.mac_address, pair.ip_address
                ),
            ));
        }
        pairs.push(pair);
    }
    pairs.sort_by_key(key);
    Ok(Some(pairs))
}

/// Whether a request says them in other words than the port has them. Even if they are the same, Neutron writes them.
pub(crate) fn are_spelt_anew(port: &Port, item: &Attributes) -> bool {
    let none = json!([]);
    let spelt = item.peek(NAME).map(|value| if value.is_null() { &none } else { value });
    spelt.is_some_and(|value| *value != json!(port.allowed_address_pairs))
}

/// What Neutron's database tells pairs apart by, and lists them by: it does not heed case.
fn key(pair: &AddressPair) -> (String, String) {
    (pair.mac_address.to_lowercase(), pair.ip_address.to_lowercase())
}

fn pair(object: &Map<String, Value>, own_mac: &str) -> Result<AddressPair, Fault> {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    };
    let mac_address = match object.get("mac_address") {
        None => own_mac.to_owned(),
        Some(Value::String(text)) if normal_mac(text).is_some_and(|mac| is_hosts(&mac)) => text.clone(),
        Some(other) => {
            return Err(Fault::request(format!("'{}' is not a valid MAC address", shown(other))));
        }
    };
    let Some(address) = object.get("ip_address") else {
        return Err(Fault::bad("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address"));
    };
    let unknown: Vec<&str> = object
        .keys()
        .map(String::as_str)
        .filter(|key| !matches!(*key, "mac_address" | "ip_address"))
        .collect();
    if !unknown.is_empty() {
        return Err(Fault::request(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))));
    }
    match address.as_str() {
        Some(text) if is_address(text) || is_range(text) => {
            Ok(AddressPair { ip_address: text.to_owned(), mac_address })
        }
        _ if shown(address).contains('/') => {
            Err(Fault::request(format!("'{}' is not a valid IP subnet", shown(address))))
        }
        _ => Err(Fault::request(format!("'{}' is not a valid IP address", shown(address)))),
    }
}

/// Whether a hardware address can be a host's.
fn is_hosts(mac: &str) -> bool {
    !matches!(mac, "00:00:00:00:00:00" | "ff:ff:ff:ff:ff:ff")
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Bits behind the prefix may be set.
fn is_range(text: &str) -> bool {
    text.parse::<IpNet>().is_ok_and(|net| matches!(net, IpNet::V6(_)) || net.to_string() == text)
}
