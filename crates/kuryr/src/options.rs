//! The user's `-o` and `--ipam-opt` options.

use std::collections::BTreeMap;

use crate::{Error, Result};

mod port;

pub(crate) use port::{
    DNS_NAME, PAIRS, PORT_SECURITY, PROFILE, PortOptions, QOS_POLICY, SECURITY_GROUPS, VNIC_TYPE,
    security_is_off,
};

/// Every key we know.
const KNOWN: [&str; 18] = [
    "neutron.net.uuid",
    "neutron.net.name",
    "neutron.net.shared",
    "neutron.subnet.uuid",
    "neutron.subnet.name",
    "neutron.subnet.v6.uuid",
    "neutron.subnet.v6.name",
    "neutron.pool.uuid",
    "neutron.pool.name",
    "neutron.pool.v6.uuid",
    "neutron.pool.v6.name",
    SECURITY_GROUPS,
    PORT_SECURITY,
    QOS_POLICY,
    PAIRS,
    DNS_NAME,
    PROFILE,
    VNIC_TYPE,
];

/// An existing resource by id or by name; the id wins when both are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Existing {
    Id(String),
    Name(String),
}

impl Existing {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Id(text) | Self::Name(text) => text,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// Options, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) network: Option<Existing>,
    /// A name the network must have besides, where `-o` gives the id and `--ipam-opt` the name or the reverse.
    pub(crate) network_name: Option<String>,
    pub(crate) shared: Option<bool>,
    subnet: [Option<Existing>; 2],
    pool: [Option<Existing>; 2],
    /// Of every container's port.
    pub(crate) port: PortOptions,
}

impl Options {
    /// Reads them; keys outside `neutron.` and `kuryr.` are somebody else's.
    ///
    /// # Errors
    /// [`Error::UnknownOption`] with the nearest key, [`Error::Invalid`] for a malformed id or an empty name.
    pub(crate) fn read(given: &BTreeMap<String, String>) -> Result<Self> {
        for key in given.keys() {
            let ours = key.starts_with("neutron.") || key.starts_with("kuryr.");
            if ours && !KNOWN.contains(&key.as_str()) {
                return Err(Error::UnknownOption { key: key.clone(), nearest: nearest(key).to_owned() });
            }
        }
        Ok(Self {
            network: existing(given, "neutron.net")?,
            network_name: None,
            shared: given.get("neutron.net.shared").map(|v| truth("neutron.net.shared", v)).transpose()?,
            subnet: [existing(given, "neutron.subnet")?, existing(given, "neutron.subnet.v6")?],
            pool: [existing(given, "neutron.pool")?, existing(given, "neutron.pool.v6")?],
            port: PortOptions::read(given)?,
        })
    }

    /// Adds what only `--ipam-opt` says to what `-o` says.
    ///
    /// # Errors
    /// They contradict each other.
    pub(crate) fn with_ipam(mut self, ipam: &Self) -> Result<Self> {
        self.network_name = match (&self.network, &ipam.network) {
            (Some(Existing::Name(name)), Some(Existing::Id(_)))
            | (Some(Existing::Id(_)), Some(Existing::Name(name))) => Some(name.clone()),
            _ => None,
        };
        self.network = both("neutron.net", self.network, ipam.network.as_ref())?;
        if let (Some(here), Some(there)) = (self.shared, ipam.shared)
            && here != there
        {
            return Err(contradiction("neutron.net.shared", &here.to_string(), &there.to_string()));
        }
        self.shared = self.shared.or(ipam.shared);
        let families = ["neutron.subnet", "neutron.subnet.v6"].into_iter();
        for ((slot, other), key) in self.subnet.iter_mut().zip(&ipam.subnet).zip(families) {
            *slot = both(key, slot.take(), other.as_ref())?;
        }
        let families = ["neutron.pool", "neutron.pool.v6"].into_iter();
        for ((slot, other), key) in self.pool.iter_mut().zip(&ipam.pool).zip(families) {
            *slot = both(key, slot.take(), other.as_ref())?;
        }
        Ok(self)
    }

    /// Whether they speak of other networks, subnets or pools.
    pub(crate) fn differ(&self, other: &Self) -> bool {
        (&self.network, &self.subnet, &self.pool) != (&other.network, &other.subnet, &other.pool)
    }

    pub(crate) fn subnet(&self, v6: bool) -> Option<&Existing> {
        let [four, six] = &self.subnet;
        if v6 { six.as_ref() } else { four.as_ref() }
    }

    pub(crate) fn pool(&self, v6: bool) -> Option<&Existing> {
        let [four, six] = &self.pool;
        if v6 { six.as_ref() } else { four.as_ref() }
    }
}

/// An id wins over a name.
fn both(key: &str, here: Option<Existing>, there: Option<&Existing>) -> Result<Option<Existing>> {
    match (here, there) {
        (Some(Existing::Name(_)), Some(id @ Existing::Id(_))) => Ok(Some(id.clone())),
        (Some(id @ Existing::Id(_)), Some(Existing::Name(_))) => Ok(Some(id)),
        (Some(one), Some(other)) if one != *other => Err(contradiction(key, one.text(), other.text())),
        (here, there) => Ok(here.or_else(|| there.cloned())),
    }
}

fn contradiction(key: &str, here: &str, there: &str) -> Error {
    let reason = format!("`-o` says {here}, `--ipam-opt` says {there}; give both the same");
    Error::Conflict { what: "option", resource: key.to_owned(), reason }
}

fn existing(given: &BTreeMap<String, String>, stem: &str) -> Result<Option<Existing>> {
    let key = format!("{stem}.uuid");
    if let Some(value) = given.get(&key) {
        return match uuid::Uuid::try_parse(value) {
            Ok(id) => Ok(Some(Existing::Id(id.hyphenated().to_string()))),
            Err(e) => {
                Err(bad(&key, value, &format!("not a UUID ({e}); copy the id from `openstack network list`")))
            }
        };
    }
    let key = format!("{stem}.name");
    match given.get(&key) {
        Some(value) if value.trim().is_empty() => {
            Err(bad(&key, value, "empty; give the name or drop the option"))
        }
        Some(value) => Ok(Some(Existing::Name(value.clone()))),
        None => Ok(None),
    }
}

fn truth(key: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(bad(key, value, "neither true nor false")),
    }
}

fn bad(key: &str, value: &str, reason: &str) -> Error {
    let shown: String = value.chars().filter(|c| !c.is_control()).take(80).collect();
    Error::Invalid { what: "option", resource: format!("{key}={shown}"), reason: reason.to_owned() }
}

fn nearest(key: &str) -> &'static str {
    KNOWN.into_iter().min_by_key(|known| distance(key, known)).unwrap_or("neutron.net.uuid")
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((y, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(i + 1);
            next.push((diagonal + usize::from(x != *y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Options> {
        Options::read(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let text = read(&[("neutron.net.uid", "x")]).unwrap_err().to_string();
        assert_eq!(text, "unknown option `neutron.net.uid`; did you mean `neutron.net.uuid`?");
        assert!(read(&[("kuryr.subnet.nam", "x")]).unwrap_err().to_string().contains("neutron.subnet.name"));
        assert_eq!(read(&[("com.docker.network.x", "y")]).unwrap(), Options::default());
    }

    #[test]
    fn a_malformed_uuid_is_refused_and_the_id_wins_over_the_name() {
        let text = read(&[("neutron.net.uuid", "nope")]).unwrap_err().to_string();
        assert!(text.contains("neutron.net.uuid=nope") && text.contains("UUID"), "{text}");
        let id = "11111111-2222-3333-4444-555555555555";
        let read =
            read(&[("neutron.net.uuid", id), ("neutron.net.name", "n"), ("neutron.net.shared", "YES")])
                .unwrap();
        assert_eq!(read.network, Some(Existing::Id(id.to_owned())));
        assert_eq!(read.shared, Some(true));
    }

    #[test]
    fn shared_takes_words_of_truth_only() {
        assert!(read(&[("neutron.net.shared", "maybe")]).is_err());
    }
}
