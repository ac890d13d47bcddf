//! Lists that come in pages.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::session::Call;
use crate::{Error, Result, Session};

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

/// Reads the list under `key`, following `<key>_links` to the end. A service that ignores the marker would have us
/// read the first page for ever; so a page that starts like an earlier one ends the list.
pub(crate) async fn all<T: DeserializeOwned>(session: &Session, mut call: Call, key: &str) -> Result<Vec<T>> {
    let links = format!("{key}_links");
    let mut items = Vec::new();
    let mut starts = HashSet::new();
    loop {
        let mut page: Map<String, Value> = session.json(&call).await?;
        let list = match page.remove(key) {
            Some(Value::Array(list)) => list,
            _ => return Err(call.decode(format!("there is no list `{key}`"))),
        };
        let Some(first) = list.first() else { return Ok(items) };
        let start = first.get("id").map_or_else(|| first.to_string(), Value::to_string);
        if !starts.insert(start) {
            tracing::warn!("a page of `{key}` came twice; the service ignores its own paging");
            return Ok(items);
        }
        for item in list {
            items.push(serde_json::from_value(item).map_err(|e| call.decode(e.to_string()))?);
        }
        let next = page.remove(&links).and_then(|value| serde_json::from_value::<Vec<Link>>(value).ok());
        let next = next.into_iter().flatten().find(|link| link.rel == "next");
        if !next.is_some_and(|link| call.next_page(&link.href)) {
            return Ok(items);
        }
    }
}

/// A deletion: what is not there is deleted.
pub(crate) fn gone_is_success(result: Result<Vec<u8>>) -> Result<()> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// The object that an answer wraps under its own name.
pub(crate) async fn one<T: DeserializeOwned>(session: &Session, call: &Call, key: &str) -> Result<T> {
    let mut object: Map<String, Value> = session.json(call).await?;
    let inner = object.remove(key).ok_or_else(|| call.decode(format!("there is no `{key}`")))?;
    serde_json::from_value(inner).map_err(|e: serde_json::Error| -> Error { call.decode(e.to_string()) })
}
