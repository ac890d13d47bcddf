//! Options about ports: `neutron.port.*` of `docker network create -o` for every container of the network, and of
//! `--driver-opt` for one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::MacAddr;
use openstack::network::AddressPair;
use serde_json::{Map, Value};

use super::{KNOWN, bad, nearest, truth};
use crate::{Error, Result};

pub(crate) const SECURITY_GROUPS: &str = "neutron.port.security_groups";
pub(crate) const PORT_SECURITY: &str = "neutron.port.port_security";
pub(crate) const QOS_POLICY: &str = "neutron.port.qos_policy";
pub(crate) const PAIRS: &str = "neutron.port.allowed_address_pairs";
pub(crate) const DNS_NAME: &str = "neutron.port.dns_name";
pub(crate) const PROFILE: &str = "neutron.port.binding_profile";
pub(crate) const VNIC_TYPE: &str = "neutron.port.vnic_type";

/// Start of every key about ports.
const STEM: &str = "neutron.port.";

/// Neutron's kinds of virtual NIC.
const VNIC_TYPES: [&str; 12] = [
    "normal",
    "direct",
    "direct-physical",
    "macvtap",
    "baremetal",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
    "vhost-user",
];

/// Attributes as the user wrote them: names are not looked up yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PortOptions {
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) port_security: Option<bool>,
    pub(crate) qos_policy: Option<String>,
    pub(crate) pairs: Option<Vec<AddressPair>>,
    pub(crate) dns_name: Option<String>,
    pub(crate) profile: Option<Map<String, Value>>,
    pub(crate) vnic_type: Option<String>,
}

impl PortOptions {
    /// Reads those among a network's options.
    pub(super) fn read(given: &BTreeMap<String, String>) -> Result<Self> {
        let text = |key: &str| given.get(key).map(|value| value.trim());
        let options = Self {
            groups: text(SECURITY_GROUPS).map(|v| list(SECURITY_GROUPS, v)).transpose()?,
            port_security: text(PORT_SECURITY).map(|v| truth(PORT_SECURITY, v)).transpose()?,
            qos_policy: text(QOS_POLICY).map(|v| word(QOS_POLICY, v)).transpose()?,
            pairs: text(PAIRS)
                .map(|v| list(PAIRS, v)?.iter().map(|pair| address_pair(pair)).collect::<Result<_>>())
                .transpose()?,
            dns_name: text(DNS_NAME).map(dns_name).transpose()?,
            profile: text(PROFILE).map(profile).transpose()?,
            vnic_type: text(VNIC_TYPE).map(vnic_type).transpose()?,
        };
        if options.port_security == Some(false) {
            options.refuse_with_security_off()?;
        }
        Ok(options)
    }

    /// Reads those Docker passes with an endpoint (`--driver-opt`).
    ///
    /// # Errors
    /// As [`super::Options::read`]; a key that is about networks.
    pub(crate) fn of_endpoint(given: &BTreeMap<String, Value>) -> Result<Self> {
        let mut ours = BTreeMap::new();
        for (key, value) in given {
            if !(key.starts_with("neutron.") || key.starts_with("kuryr.")) {
                continue;
            }
            if !KNOWN.contains(&key.as_str()) {
                return Err(Error::UnknownOption { key: key.clone(), nearest: nearest(key).to_owned() });
            }
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if !key.starts_with(STEM) {
                return Err(bad(key, &text, "about networks; give it to `docker network create -o`"));
            }
            ours.insert(key.clone(), text);
        }
        Self::read(&ours)
    }

    /// Neutron takes neither groups nor pairs on a port without security.
    fn refuse_with_security_off(&self) -> Result<()> {
        let both = [(SECURITY_GROUPS, self.groups.is_some()), (PAIRS, self.pairs.is_some())];
        match both.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(security_is_off(key)),
            None => Ok(()),
        }
    }
}

/// Why an option cannot be had on a port without security.
pub(crate) fn security_is_off(key: &str) -> Error {
    Error::Invalid {
        what: "option",
        resource: key.to_owned(),
        reason: format!("not possible with port security off; drop it or {PORT_SECURITY}=false"),
    }
}

fn list(key: &str, value: &str) -> Result<Vec<String>> {
    let mut items: Vec<String> = Vec::new();
    for item in value.split(',').map(str::trim) {
        if item.is_empty() {
            return Err(bad(key, value, "an item is empty; separate items by single commas"));
        }
        if !items.iter().any(|known| known == item) {
            items.push(item.to_owned());
        }
    }
    Ok(items)
}

fn word(key: &str, value: &str) -> Result<String> {
    if value.is_empty() {
        return Err(bad(key, value, "empty; give a name or an id, or drop the option"));
    }
    Ok(value.to_owned())
}

/// `ip`, `ip=mac` or a range instead of the address.
fn address_pair(text: &str) -> Result<AddressPair> {
    let (address, mac) = text.split_once('=').map_or((text, None), |(ip, mac)| (ip.trim(), Some(mac.trim())));
    let known = address.parse::<IpAddr>().is_ok() || address.parse::<IpNet>().is_ok();
    if !known {
        return Err(bad(PAIRS, text, "no address; write address, range or address=mac"));
    }
    let mac = mac.map(str::parse::<MacAddr>).transpose();
    let mac_address = mac.map_err(|e| bad(PAIRS, text, &e.to_string()))?;
    Ok(AddressPair { ip_address: address.to_owned(), mac_address })
}

/// Labels of letters, digits and hyphens, as DNS has them.
fn dns_name(value: &str) -> Result<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = value.strip_suffix('.').unwrap_or(value);
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(bad(DNS_NAME, value, "no DNS name; use letters, digits and hyphens"));
    }
    Ok(value.to_owned())
}

fn profile(value: &str) -> Result<Map<String, Value>> {
    match serde_json::from_str(value) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(bad(PROFILE, value, "no JSON object; write {\"key\": \"value\"}")),
        Err(e) => Err(bad(PROFILE, value, &format!("no JSON ({e}); write {{\"key\": \"value\"}}"))),
    }
}

fn vnic_type(value: &str) -> Result<String> {
    if VNIC_TYPES.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(bad(VNIC_TYPE, value, "no kind of virtual NIC; use normal or direct"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<PortOptions> {
        PortOptions::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        let text = read(pairs).unwrap_err().to_string();
        assert!(!text.contains('\n') && text.contains(pairs[0].0), "{text}");
        text
    }

    #[test]
    fn lists_are_split_and_items_named_twice_count_once() {
        let read = read(&[
            (SECURITY_GROUPS, "web, db,web"),
            (PAIRS, "10.0.0.9,10.1.0.0/16=fa:16:3e:00:00:01,fd00::9"),
        ]);
        let read = read.unwrap();
        assert_eq!(read.groups.unwrap(), ["web", "db"]);
        let pairs = read.pairs.unwrap();
        assert_eq!(pairs.len(), 3);
        assert_eq!(pairs[1].mac_address.unwrap().to_string(), "fa:16:3e:00:00:01");
        assert_eq!(pairs[2].ip_address, "fd00::9");
    }

    #[test]
    fn malformed_values_are_refused_with_their_key() {
        assert!(refusal(&[(SECURITY_GROUPS, "")]).contains("empty"));
        assert!(refusal(&[(SECURITY_GROUPS, "web,,db")]).contains("empty"));
        assert!(refusal(&[(PORT_SECURITY, "maybe")]).contains("neither true nor false"));
        assert!(refusal(&[(QOS_POLICY, " ")]).contains("empty"));
        assert!(refusal(&[(PAIRS, "10.0.0.300")]).contains("no address"));
        assert!(refusal(&[(PAIRS, "10.0.0.3=fa:16")]).contains("MAC"));
        assert!(refusal(&[(DNS_NAME, "under_score")]).contains("DNS"));
        assert!(refusal(&[(DNS_NAME, &"a".repeat(64))]).contains("DNS"));
        assert!(refusal(&[(PROFILE, "[]")]).contains("JSON object"));
        assert!(refusal(&[(PROFILE, "{")]).contains("JSON"));
        assert!(refusal(&[(VNIC_TYPE, "fast")]).contains("virtual NIC"));
    }

    #[test]
    fn a_port_without_security_has_neither_groups_nor_pairs() {
        for other in [(SECURITY_GROUPS, "web"), (PAIRS, "10.0.0.9")] {
            let text = read(&[(PORT_SECURITY, "false"), other]).unwrap_err().to_string();
            assert!(text.contains(other.0) && text.contains("port security off"), "{text}");
            assert!(read(&[(PORT_SECURITY, "true"), other]).is_ok());
        }
    }

    #[test]
    fn an_endpoints_options_are_about_its_port_only() {
        let of =
            |key: &str, value: Value| PortOptions::of_endpoint(&BTreeMap::from([(key.to_owned(), value)]));
        assert_eq!(of(PORT_SECURITY, Value::Bool(false)).unwrap().port_security, Some(false));
        assert_eq!(of(PROFILE, serde_json::json!({"a": 1})).unwrap().profile.unwrap()["a"], 1);
        assert_eq!(of("somebody.elses", Value::Bool(true)).unwrap(), PortOptions::default());
        let text = of("neutron.net.uuid", "x".into()).unwrap_err().to_string();
        assert!(text.contains("docker network create"), "{text}");
        let text = of("neutron.port.securty_groups", "x".into()).unwrap_err().to_string();
        assert!(text.contains(SECURITY_GROUPS), "{text}");
    }
}
