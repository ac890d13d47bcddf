//! Cinder's connection information for `iscsi`.

use serde_json::{Map, Value};

use super::{IscsiLink, IscsiPath, Portal, TargetName};
use crate::connector::Secrets;
use crate::connector::scsi::Lun;

/// open-iscsi keeps no longer ones.
const LONGEST_SECRET: usize = 255;

/// Reads the driver's keys. Credentials for discovery are passed over: nothing is discovered, Cinder has said it all.
///
/// # Errors
/// What does not fit; never a secret.
pub(crate) fn parse(info: &Map<String, Value>) -> Result<(IscsiLink, Secrets), String> {
    let multipath = match info.get("enforce_multipath") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(wanted)) => *wanted,
        Some(other) => return Err(format!("enforce_multipath {other} is neither true nor false")),
    };
    Ok((IscsiLink { paths: paths(info)?, multipath, identity: None }, secrets(info)?))
}

/// `target_portals`, `target_iqns` and `target_luns` if they are there; else the same in the singular.
fn paths(info: &Map<String, Value>) -> Result<Vec<IscsiPath>, String> {
    let addressing = match info.get("addressing_mode") {
        None | Some(Value::Null) => None,
        Some(Value::String(mode)) => Some(mode.as_str()),
        Some(other) => return Err(format!("addressing_mode {other} is no text")),
    };
    let (portals, targets) = (list(info, "target_portal")?, list(info, "target_iqn")?);
    let luns = list(info, "target_lun")?;
    let alike = portals.len() == targets.len() && (luns.len() == portals.len() || luns.len() == 1);
    if !alike {
        return Err(format!(
            "it names {} target_portals, {} target_iqns and {} target_luns, which must be as many",
            portals.len(),
            targets.len(),
            luns.len()
        ));
    }
    let mut paths: Vec<IscsiPath> = Vec::new();
    for ((portal, target), lun) in portals.iter().zip(&targets).zip(luns.iter().cycle()) {
        let path = IscsiPath {
            portal: text("target_portal", portal)?.try_into()?,
            target: text("target_iqn", target)?.try_into()?,
            lun: Lun::read(lun, addressing)?,
        };
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn list<'a>(info: &'a Map<String, Value>, key: &str) -> Result<Vec<&'a Value>, String> {
    let plural = format!("{key}s");
    match info.get(&plural) {
        None | Some(Value::Null) => {}
        Some(Value::Array(values)) if values.is_empty() => {}
        Some(Value::Array(values)) => return Ok(values.iter().collect()),
        Some(_) => return Err(format!("{plural} is no list")),
    }
    match info.get(key) {
        None | Some(Value::Null) => Err(format!("{key} is missing; this host does no discovery of targets")),
        Some(value) => Ok(vec![value]),
    }
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{key} {value} is no text"))
}

fn secrets(info: &Map<String, Value>) -> Result<Secrets, String> {
    match info.get("auth_method") {
        None | Some(Value::Null) => return Ok(Secrets::default()),
        Some(Value::String(method)) if method.is_empty() || method.eq_ignore_ascii_case("none") => {
            return Ok(Secrets::default());
        }
        Some(Value::String(method)) if method.eq_ignore_ascii_case("chap") => {}
        Some(Value::String(method)) => {
            return Err(format!("auth_method `{}` is not CHAP", method.escape_debug()));
        }
        Some(_) => return Err("auth_method is no text".to_owned()),
    }
    let secret = |key: &str| {
        let text = info.get(key).and_then(Value::as_str).unwrap_or_default();
        // A node record has one line for each value, and trims it.
        let fits = !text.is_empty()
            && text.len() <= LONGEST_SECRET
            && text.trim() == text
            && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned()).ok_or_else(|| {
            format!("{key} is missing, too long, or has blanks at its ends or control characters")
        })
    };
    Ok(Secrets { user: Some(secret("auth_username")?), password: Some(secret("auth_password")?) })
}

impl TryFrom<&str> for Portal {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl TryFrom<&str> for TargetName {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests;
