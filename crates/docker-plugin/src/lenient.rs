//! Reading what Go daemons of many years write: keys may be missing, `null` or unknown.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// Reads a value; `null` is the default (Go writes nil maps, slices and pointers as `null`).
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a map of texts; `null` is empty, numbers and booleans become their text.
pub(crate) fn text_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let map = Option::<serde_json::Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(to_text_map(&map))
}

/// A map of texts from a JSON object; members that are `null` are left out.
pub(crate) fn to_text_map(map: &serde_json::Map<String, Value>) -> BTreeMap<String, String> {
    map.iter().filter_map(|(key, value)| Some((key.clone(), to_text(value)?))).collect()
}

/// The text of a value as a user would have typed it; `None` for `null`.
pub(crate) fn to_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A request body that can be checked for the fields without which it means nothing.
pub(crate) trait Request: DeserializeOwned {
    /// Fields that must be there, with their values.
    fn required(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }
}
