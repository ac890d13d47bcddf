//! Lists in pages by offset. The `next` links of Manila name a marker, which it does not heed.

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::session::Call;
use crate::{Result, Session};

/// Asked for per page: the longest that an unchanged Manila gives.
const PAGE: usize = 1000;

/// Oldest first, so that what is made meanwhile comes at the end.
const ORDER: [(&str, &str); 2] = [("sort_key", "created_at"), ("sort_dir", "asc")];

/// Reads the list under `key` to its end: to the service's own count if `counted`, else to an empty page, since a page
/// may be shorter than asked for. An item that comes twice, because one before it went meanwhile, is taken once.
pub(super) async fn all<T: DeserializeOwned>(
    session: &Session,
    mut call: Call,
    key: &str,
    filters: &[(&str, &str)],
    counted: bool,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    let mut known = HashSet::new();
    let mut offset = 0;
    let limit = PAGE.to_string();
    loop {
        let start = offset.to_string();
        let mut query: Vec<(&str, &str)> = filters.to_vec();
        query.extend(ORDER);
        query.extend([("limit", limit.as_str()), ("offset", start.as_str())]);
        query.extend(counted.then_some(("with_count", "True")));
        call = call.query(&query);
        let mut page: Map<String, Value> = session.json(&call).await?;
        let Some(Value::Array(list)) = page.remove(key) else {
            return Err(call.decode(format!("there is no list `{key}`")));
        };
        let total = page.get("count").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        offset += list.len();
        let before = known.len();
        let empty = list.is_empty();
        for item in list {
            let id = item.get("id").map_or_else(|| item.to_string(), Value::to_string);
            if known.insert(id) {
                items.push(serde_json::from_value(item).map_err(|e| call.decode(e.to_string()))?);
            }
        }
        if !empty && known.len() == before {
            tracing::warn!("a page of `{key}` came twice; the service ignores its own paging");
            return Ok(items);
        }
        if empty || total.is_some_and(|total| offset >= total) {
            return Ok(items);
        }
    }
}
