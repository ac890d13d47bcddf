//! How a Fibre Channel volume reaches this host, and Cinder's connection information for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connector::scsi::{Identity, Lun};

/// How a Fibre Channel volume reaches this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibreChannelLink {
    /// The ways to it.
    pub paths: Vec<FibreChannelPath>,
    /// One way is not enough: it must be a multipath map.
    pub multipath: bool,
    /// What the disk said of itself when it came; `None` before that.
    pub identity: Option<Identity>,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibreChannelPath {
    /// The only port of this host that the storage serves; `None` for any.
    pub initiator: Option<Wwn>,
    /// The storage's port.
    pub target: Wwn,
    /// The volume behind it.
    pub lun: Lun,
}

impl fmt::Display for FibreChannelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LUN {} of port {}", self.lun, self.target)
    }
}

/// The world-wide name of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wwn(u64);

impl TryFrom<String> for Wwn {
    type Error = String;

    /// Reads 16 hexadecimal digits, with `0x` before them or colons between the bytes or neither.
    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").map_or_else(|| text.replace(':', ""), str::to_owned);
        let fits = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = fits.then(|| u64::from_str_radix(&digits, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| format!("`{}` is no world-wide name of a port", text.escape_debug()))
    }
}

impl From<Wwn> for String {
    fn from(name: Wwn) -> Self {
        name.to_string()
    }
}

impl fmt::Display for Wwn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Reads the driver's keys: `target_wwn` (one or several) or `target_wwns`, `target_lun` or `target_luns`, and
/// `initiator_target_map`.
///
/// # Errors
/// What does not fit.
pub(crate) fn parse(info: &Map<String, Value>) -> Result<FibreChannelLink, String> {
    let addressing = match info.get("addressing_mode") {
        None | Some(Value::Null) => None,
        Some(Value::String(mode)) => Some(mode.as_str()),
        Some(other) => return Err(format!("addressing_mode {other} is no text")),
    };
    let multipath = match info.get("enforce_multipath") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(wanted)) => *wanted,
        Some(other) => return Err(format!("enforce_multipath {other} is neither true nor false")),
    };
    let (names, luns) = (list(info, "target_wwn")?, list(info, "target_lun")?);
    if luns.len() != names.len() && luns.len() != 1 {
        return Err(format!(
            "it names {} target_wwns and {} target_luns, which must be as many",
            names.len(),
            luns.len()
        ));
    }
    let mut targets = BTreeMap::new();
    for (target, lun) in names.into_iter().zip(luns.into_iter().cycle()) {
        let (target, lun) = (name("target_wwn", target)?, Lun::read(lun, addressing)?);
        if targets.insert(target, lun).is_some_and(|other| other != lun) {
            return Err(format!("it names two target_luns for port {target}"));
        }
    }
    let mut paths = Vec::new();
    for (initiator, target) in served(info)? {
        if let Some(lun) = targets.get(&target) {
            paths.push(FibreChannelPath { initiator: Some(initiator), target, lun: *lun });
        }
    }
    if paths.is_empty() {
        paths = targets
            .into_iter()
            .map(|(target, lun)| FibreChannelPath { initiator: None, target, lun })
            .collect();
    }
    Ok(FibreChannelLink { paths, multipath, identity: None })
}

/// Which of the storage's ports serve which of this host's, if it says so.
fn served(info: &Map<String, Value>) -> Result<Vec<(Wwn, Wwn)>, String> {
    let map = match info.get("initiator_target_map") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err("initiator_target_map is no map".to_owned()),
    };
    let mut pairs = Vec::new();
    for (initiator, targets) in map {
        let initiator = Wwn::try_from(initiator.clone()).map_err(|e| format!("initiator_target_map: {e}"))?;
        for target in one_or_more("initiator_target_map", targets)? {
            pairs.push((initiator, name("initiator_target_map", target)?));
        }
    }
    Ok(pairs)
}

fn list<'a>(info: &'a Map<String, Value>, key: &str) -> Result<Vec<&'a Value>, String> {
    let plural = format!("{key}s");
    let values = |key: &str| info.get(key).filter(|v| !v.is_null()).map(|v| one_or_more(key, v)).transpose();
    let found = values(&plural)?.filter(|v| !v.is_empty());
    let found = found.map_or_else(|| values(key), |v| Ok(Some(v)))?;
    found.filter(|v| !v.is_empty()).ok_or_else(|| format!("{key} is missing"))
}

fn one_or_more<'a>(key: &str, value: &'a Value) -> Result<Vec<&'a Value>, String> {
    match value {
        Value::Array(values) => Ok(values.iter().collect()),
        Value::String(_) | Value::Number(_) => Ok(vec![value]),
        _ => Err(format!("{key} is neither one nor a list")),
    }
}

fn name(key: &str, value: &Value) -> Result<Wwn, String> {
    let text = value.as_str().ok_or_else(|| format!("{key} {value} is no text"))?;
    Wwn::try_from(text.to_owned()).map_err(|e| format!("{key}: {e}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(info: &Value) -> Result<Vec<String>, String> {
        let shown = |p: &FibreChannelPath| match p.initiator {
            Some(initiator) => format!("{initiator} {p}"),
            None => p.to_string(),
        };
        parse(info.as_object().unwrap()).map(|link| link.paths.iter().map(shown).collect())
    }

    #[test]
    fn one_port_or_several_with_one_unit_or_several() {
        for (info, want) in [
            (
                json!({"target_wwn": "50:01:43:80:12:34:56:78", "target_lun": 3}),
                vec!["LUN 3 of port 5001438012345678"],
            ),
            (
                json!({"target_wwn": ["0x5001438012345678", "5001438012345679"], "target_lun": 3}),
                vec!["LUN 3 of port 5001438012345678", "LUN 3 of port 5001438012345679"],
            ),
            (
                json!({"target_wwns": ["5001438012345678", "5001438012345679"], "target_luns": [3, "4"],
                "target_wwn": "5001438012345677", "target_lun": 9}),
                vec!["LUN 3 of port 5001438012345678", "LUN 4 of port 5001438012345679"],
            ),
            (
                json!({"target_wwn": ["5001438012345678", "5001438012345679"], "target_lun": 256,
                "addressing_mode": "SAM2",
                "initiator_target_map": {"10000000c9000001": ["5001438012345679"], "10000000c9000002": ["5001438012345679"]}}),
                vec![
                    "10000000c9000001 LUN 16640 of port 5001438012345679",
                    "10000000c9000002 LUN 16640 of port 5001438012345679",
                ],
            ),
        ] {
            assert_eq!(read(&info), Ok(want.into_iter().map(str::to_owned).collect()), "{info}");
        }
    }

    #[test]
    fn each_malformed_value_is_named() {
        for (info, want) in [
            (json!({"target_lun": 1}), "target_wwn is missing"),
            (json!({"target_wwn": [], "target_lun": 1}), "target_wwn is missing"),
            (json!({"target_wwn": "5001438012345678"}), "target_lun is missing"),
            (
                json!({"target_wwn": "500143801234567", "target_lun": 1}),
                "`500143801234567` is no world-wide name",
            ),
            (json!({"target_wwn": "../../etc/passwd", "target_lun": 1}), "is no world-wide name"),
            (json!({"target_wwn": "5001438012345678", "target_lun": "x"}), "target_lun \"x\""),
            (
                json!({"target_wwn": "5001438012345678", "target_luns": [1, 2]}),
                "1 target_wwns and 2 target_luns",
            ),
            (
                json!({"target_wwns": ["5001438012345678", "5001438012345678"], "target_luns": [1, 2]}),
                "two target_luns",
            ),
            (json!({"target_wwn": {}, "target_lun": 1}), "target_wwn is neither one nor a list"),
            (json!({"target_wwn": 7, "target_lun": 1}), "target_wwn 7 is no text"),
            (
                json!({"target_wwn": "5001438012345678", "target_lun": 1, "initiator_target_map": []}),
                "initiator_target_map is no map",
            ),
            (
                json!({"target_wwn": "5001438012345678", "target_lun": 1, "initiator_target_map": {"x": []}}),
                "initiator_target_map: `x`",
            ),
            (
                json!({"target_wwn": "5001438012345678", "target_lun": 1, "enforce_multipath": 1}),
                "enforce_multipath",
            ),
        ] {
            let error = read(&info).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_link_survives_the_journal() {
        let info = json!({"target_wwn": "0050014380123456", "target_lun": 3});
        let link = parse(info.as_object().unwrap()).unwrap();
        let text = serde_json::to_string(&link).unwrap();
        assert_eq!(serde_json::from_str::<FibreChannelLink>(&text).unwrap(), link);
    }

    proptest! {
        #[test]
        fn any_name_is_sixteen_digits_or_refused(text in "(0x)?[0-9a-fA-F:x./-]{0,24}") {
            if let Ok(name) = Wwn::try_from(text) {
                let shown = name.to_string();
                prop_assert!(shown.len() == 16 && shown.bytes().all(|b| b.is_ascii_hexdigit()));
                prop_assert_eq!(Wwn::try_from(shown), Ok(name));
            }
        }
    }
}
