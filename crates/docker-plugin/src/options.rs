//! The free-form `Options` of a request, with readers for the keys every daemon uses.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{MacAddress, PluginError, lenient};

/// Key of the user's `--opt` values.
pub const GENERIC: &str = "com.docker.network.generic";
/// Key of `--internal`.
pub const INTERNAL: &str = "com.docker.network.internal";
/// Key of `--ipv4`, absent before Docker 28.
pub const ENABLE_IPV4: &str = "com.docker.network.enable_ipv4";
/// Key of `--ipv6`.
pub const ENABLE_IPV6: &str = "com.docker.network.enable_ipv6";
/// Key of the ports exposed by `--expose`, the image and `--publish`.
pub const EXPOSED_PORTS: &str = "com.docker.network.endpoint.exposedports";
/// Key of the ports published by `--publish`.
pub const PORT_MAP: &str = "com.docker.network.portmap";
/// Key of an endpoint's address: base64 in a NetworkDriver request, text in an IpamDriver request.
pub const MAC_ADDRESS: &str = "com.docker.network.endpoint.macaddress";
/// Key of the container's name in an IpamDriver request (Docker 29).
pub const ENDPOINT_NAME: &str = "com.docker.network.endpoint.name";
/// Key of the user's `--dns`.
pub const DNS_SERVERS: &str = "com.docker.network.endpoint.dnsservers";
/// Key that says what an address is asked for.
pub const REQUEST_ADDRESS_TYPE: &str = "RequestAddressType";
/// Value of [`REQUEST_ADDRESS_TYPE`] for a gateway, and key of the gateway in a pool's `Data`.
pub const GATEWAY: &str = "com.docker.network.gateway";

/// A port of a container that others may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExposedPort {
    /// IP protocol number: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// Port number in the container.
    pub port: u16,
}

/// A port of a container that is published on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublishedPort {
    /// IP protocol number: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// Address in the container, mostly empty.
    pub ip: String,
    /// Port number in the container.
    pub port: u16,
    /// Address on the host, empty for any.
    pub host_ip: String,
    /// First port on the host, 0 for any.
    pub host_port: u16,
    /// Last port on the host.
    pub host_port_end: u16,
}

/// The `Options` of a request: a JSON object whose unknown members are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Options(pub Map<String, Value>);

impl Options {
    /// All members as text: what IPAM options (`--ipam-opt`) are.
    pub fn to_text(&self) -> BTreeMap<String, String> {
        lenient::to_text_map(&self.0)
    }

    /// The user's `--opt` values, empty if there are none.
    pub fn generic(&self) -> BTreeMap<String, String> {
        self.0.get(GENERIC).and_then(Value::as_object).map(lenient::to_text_map).unwrap_or_default()
    }

    /// True for a network made with `--internal`.
    pub fn internal(&self) -> bool {
        self.flag(INTERNAL).unwrap_or(false)
    }

    /// False only for a network made with `--ipv4=false`; a daemon that knows no such flag means true.
    pub fn enable_ipv4(&self) -> bool {
        self.flag(ENABLE_IPV4).unwrap_or(true)
    }

    /// True for a network made with `--ipv6`.
    pub fn enable_ipv6(&self) -> bool {
        self.flag(ENABLE_IPV6).unwrap_or(false)
    }

    /// The exposed ports, in the daemon's (random) order.
    ///
    /// # Errors
    /// An item that cannot be understood: leaving it out would close a port the user asked for.
    pub fn exposed_ports(&self) -> Result<Vec<ExposedPort>, PluginError> {
        self.items(EXPOSED_PORTS, |item| {
            Some(ExposedPort { protocol: protocol(item.get("Proto")?)?, port: port(item.get("Port"))? })
        })
    }

    /// The published ports, ranges spread into one item each by the daemon.
    ///
    /// # Errors
    /// An item that cannot be understood.
    pub fn published_ports(&self) -> Result<Vec<PublishedPort>, PluginError> {
        let text = |value: Option<&Value>| value.and_then(lenient::to_text).unwrap_or_default();
        self.items(PORT_MAP, |item| {
            let host_port = port(item.get("HostPort"))?;
            Some(PublishedPort {
                protocol: protocol(item.get("Proto")?)?,
                ip: text(item.get("IP")),
                port: port(item.get("Port"))?,
                host_ip: text(item.get("HostIP")),
                host_port,
                host_port_end: port(item.get("HostPortEnd"))?.max(host_port),
            })
        })
    }

    /// The endpoint's Ethernet address, from base64 (NetworkDriver) or text (IpamDriver).
    ///
    /// # Errors
    /// A value that is neither.
    pub fn mac_address(&self) -> Result<Option<MacAddress>, PluginError> {
        match self.0.get(MAC_ADDRESS) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => match MacAddress::from_base64(text) {
                Some(address) => Ok(Some(address)),
                None => text.parse().map(Some),
            },
            Some(other) => {
                Err(PluginError::new(format!("malformed mac address {other}: give six bytes in hex")))
            }
        }
    }

    /// True if an address is asked for to be the gateway of its pool.
    pub fn is_gateway_request(&self) -> bool {
        self.0.get(REQUEST_ADDRESS_TYPE).and_then(Value::as_str) == Some(GATEWAY)
    }

    /// The name of the container an address is for (Docker 29 and later).
    pub fn endpoint_name(&self) -> Option<&str> {
        self.0.get(ENDPOINT_NAME).and_then(Value::as_str).filter(|name| !name.is_empty())
    }

    /// The user's `--dns` servers.
    pub fn dns_servers(&self) -> Vec<String> {
        let servers = self.0.get(DNS_SERVERS).and_then(Value::as_array);
        servers.map(|items| items.iter().filter_map(lenient::to_text).collect()).unwrap_or_default()
    }

    /// A boolean that swarm may have turned into text on its way.
    fn flag(&self, key: &str) -> Option<bool> {
        match self.0.get(key)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => Some(true),
                "false" | "0" | "f" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn items<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, PluginError> {
        let malformed = |value: &Value| {
            PluginError::new(format!("malformed {key}: cannot read {value}, report the daemon's version"))
        };
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| read(item).ok_or_else(|| malformed(item))).collect()
            }
            Some(other) => Err(malformed(other)),
        }
    }
}

impl Deref for Options {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Options {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<Map<String, Value>> for Options {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

impl FromIterator<(String, Value)> for Options {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

fn protocol(value: &Value) -> Option<u8> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "tcp" => Some(6),
            "udp" => Some(17),
            "sctp" => Some(132),
            other => other.parse().ok(),
        },
        _ => None,
    }
}

/// A port number; missing and `null` are 0.
fn port(value: Option<&Value>) -> Option<u16> {
    match value {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Options {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn nothing_known_gives_the_daemons_defaults() {
        let empty = Options::default();
        assert!(empty.enable_ipv4() && !empty.enable_ipv6() && !empty.internal());
        assert!(empty.generic().is_empty() && empty.exposed_ports().unwrap().is_empty());
        assert_eq!(empty.mac_address(), Ok(None));
        assert!(!empty.is_gateway_request() && empty.endpoint_name().is_none());
    }

    #[test]
    fn null_is_as_good_as_missing() {
        let null = options(
            r#"{"com.docker.network.generic":null,"com.docker.network.portmap":null,"com.docker.network.internal":null,
                "com.docker.network.endpoint.exposedports":null,"com.docker.network.endpoint.macaddress":null}"#,
        );
        assert!(null.generic().is_empty() && !null.internal());
        assert!(null.exposed_ports().unwrap().is_empty() && null.published_ports().unwrap().is_empty());
        assert_eq!(null.mac_address(), Ok(None));
    }

    #[test]
    fn ports_keep_their_numeric_protocol() {
        let ports = options(
            r#"{"com.docker.network.endpoint.exposedports":[{"Proto":17,"Port":1234},{"Proto":"sctp","Port":9}]}"#,
        );
        assert_eq!(
            ports.exposed_ports().unwrap(),
            [ExposedPort { protocol: 17, port: 1234 }, ExposedPort { protocol: 132, port: 9 }]
        );
    }

    #[test]
    fn a_port_that_cannot_be_read_is_an_error_and_not_a_closed_port() {
        for item in [r#"{"Proto":6,"Port":70000}"#, r#"{"Port":80}"#, "7", r#"{"Proto":"x","Port":1}"#] {
            let ports = options(&format!(r#"{{"com.docker.network.endpoint.exposedports":[{item}]}}"#));
            assert!(ports.exposed_ports().is_err(), "{item}");
        }
    }

    #[test]
    fn a_mac_address_is_read_from_base64_and_from_text() {
        for text in ["AkKsEQAC", "02:42:ac:11:00:02"] {
            let mac = options(&format!(r#"{{"com.docker.network.endpoint.macaddress":"{text}"}}"#));
            assert_eq!(mac.mac_address().unwrap().unwrap().to_string(), "02:42:ac:11:00:02");
        }
        assert!(options(r#"{"com.docker.network.endpoint.macaddress":7}"#).mac_address().is_err());
    }

    #[test]
    fn booleans_survive_a_trip_through_swarm() {
        let swarm =
            options(r#"{"com.docker.network.internal":"true","com.docker.network.enable_ipv4":"false"}"#);
        assert!(swarm.internal() && !swarm.enable_ipv4());
    }
}
