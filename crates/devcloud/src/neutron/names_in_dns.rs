//! Names of ports in the DNS, as with Neutron's internal resolution.

use serde_json::{Value, json};

use super::fault::Fault;
use crate::model::port::Port;

/// Domain of names without one (Neutron's `dns_domain`; with its default, `openstacklocal.`, names are ignored).
pub(crate) const DOMAIN: &str = "devcloud.test.";

/// Reads a `dns_name`: a label or several, or a name in [`DOMAIN`] with a dot at its end. Case does not matter.
pub(crate) fn dns_name(text: &str) -> Result<String, Fault> {
    let name = text.to_lowercase();
    let invalid = |why: String| {
        Fault::attribute("dns_name", format!("'{text}' not a valid PQDN or FQDN. Reason: {why}"))
    };
    if name.is_empty() {
        return Ok(name);
    }
    check_labels(&name).map_err(invalid)?;
    if name.ends_with('.') && !name.ends_with(&format!(".{DOMAIN}")) {
        return Err(Fault::attribute(
            "dns_name",
            format!(
                "The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in \
                 neutron.conf, that has been set to '{DOMAIN}'"
            ),
        ));
    }
    Ok(name)
}

/// Reads a `dns_domain`, which ends with a dot.
pub(crate) fn dns_domain(text: &str) -> Result<String, Fault> {
    let name = text.to_lowercase();
    let invalid = |why: String| {
        Fault::attribute("dns_domain", format!("'{text}' not a valid DNS domain. Reason: {why}"))
    };
    if name.is_empty() {
        return Ok(name);
    }
    if !name.ends_with('.') {
        return Err(invalid("it must end with a dot".into()));
    }
    check_labels(&name).map_err(invalid)?;
    Ok(name)
}

fn check_labels(name: &str) -> Result<(), String> {
    if name.len() > 255 {
        return Err("It exceeds the 255 character FQDN limit".into());
    }
    let trimmed = name.strip_suffix('.').unwrap_or(name);
    for label in trimmed.split('.') {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if label.is_empty() {
            return Err("Encountered an empty component".into());
        }
        if !letters || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
            return Err(format!(
                "Name '{label}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen"
            ));
        }
    }
    match trimmed.rsplit_once('.') {
        Some((_, top)) if top.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!("TLD '{top}' must not be all numeric"))
        }
        _ => Ok(()),
    }
}

/// `dns_assignment`: what each address of the port is called.
pub(crate) fn assignment(port: &Port) -> Value {
    let entries = port.fixed_ips.iter().map(|ip| {
        let address = ip.ip_address.to_string();
        let host = match port.dns_name.as_str() {
            "" => format!("host-{}", address.replace(['.', ':'], "-")),
            name => name.to_owned(),
        };
        let full = if host.ends_with('.') { host.clone() } else { format!("{host}.{DOMAIN}") };
        json!({"ip_address": address, "hostname": host, "fqdn": full})
    });
    entries.collect()
}
