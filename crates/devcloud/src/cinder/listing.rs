//! Sorting and paging, alike for all lists.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::fault::Fault;

/// What lists need to know of a resource.
pub(super) trait Listed {
    /// Its id, which a marker names.
    fn id(&self) -> &str;
    /// Order of creation.
    fn serial(&self) -> u64;
    /// Value of a sort key in a form that sorts as text; `None`: no such key.
    fn sort_value(&self, key: &str) -> Option<String>;
}

/// One page of a list.
pub(super) struct Page<'a, T> {
    pub(super) items: Vec<&'a T>,
    /// Before paging.
    pub(super) total: usize,
    /// URL of the next page.
    next: Option<String>,
}

impl<T> std::fmt::Debug for Page<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page of {} of {}", self.items.len(), self.total)
    }
}

impl<T> Page<'_, T> {
    /// The list with its links; `rows` are the views of its items.
    pub(super) fn body(&self, collection: &str, rows: Vec<Value>) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert(collection.to_owned(), Value::Array(rows));
        if let Some(next) = &self.next {
            body.insert(format!("{collection}_links"), json!([{"rel": "next", "href": next}]));
        }
        body
    }
}

/// Sorts and cuts what a request asks for. `path` is the list's own, such as `volumes/detail`.
pub(super) fn page<'a, T: Listed>(
    call: &Call,
    mut items: Vec<&'a T>,
    max_limit: usize,
    path: &str,
) -> Result<Page<'a, T>, Fault> {
    sort(call, &mut items)?;
    let total = items.len();
    let start = match call.query("marker") {
        None => 0,
        Some(marker) => {
            let at = items.iter().position(|item| item.id() == marker);
            at.ok_or_else(|| Fault::not_found(format!("Marker {marker} could not be found.")))? + 1
        }
    };
    let offset = number(call, "offset")?.unwrap_or(0);
    let limit = number(call, "limit")?.unwrap_or(max_limit).min(max_limit);
    let items: Vec<_> = items.into_iter().skip(start.saturating_add(offset)).take(limit).collect();
    // A full page always has a next one, even if that will be empty.
    let next = match items.last() {
        Some(last) if items.len() == limit => {
            let mut query = url_query(call);
            query.push(format!("marker={}", last.id()));
            Some(format!("{}/{path}?{}", call.base, query.join("&")))
        }
        _ => None,
    };
    Ok(Page { items, total, next })
}

fn url_query(call: &Call) -> Vec<String> {
    let kept = call.query.iter().filter(|(key, _)| key != "marker" && key != "offset");
    kept.map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect()
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn number(call: &Call, name: &str) -> Result<Option<usize>, Fault> {
    let Some(text) = call.query(name) else { return Ok(None) };
    match text.parse::<i64>() {
        Err(_) => Err(Fault::bad(format!("{name} param must be an integer"))),
        Ok(value) => {
            usize::try_from(value).map(Some).map_err(|_| Fault::bad(format!("{name} param must be positive")))
        }
    }
}

fn sort<T: Listed>(call: &Call, items: &mut [&T]) -> Result<(), Fault> {
    let mut keys = Vec::new();
    match (call.query("sort"), call.query("sort_key")) {
        (Some(_), Some(_)) => {
            return Err(Fault::bad(
                "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.",
            ));
        }
        (Some(sort), None) => {
            for part in sort.split(',') {
                let (key, direction) = part.trim().split_once(':').unwrap_or((part.trim(), "desc"));
                keys.push((key, direction));
            }
        }
        (None, key) => {
            keys.push((key.unwrap_or("created_at"), call.query("sort_dir").unwrap_or("desc")));
        }
    }
    // Stable sorts, the most important key last.
    for (position, (key, direction)) in keys.into_iter().rev().enumerate() {
        let descends = match direction {
            "asc" => false,
            "desc" => true,
            _ => return Err(Fault::bad("Unknown sort direction, must be one of: asc, desc.")),
        };
        if position == 0 {
            items.sort_by_key(|item| item.serial());
            if descends {
                items.reverse();
            }
        }
        let known = items.iter().all(|item| item.sort_value(key).is_some());
        if !known {
            return Err(Fault::bad(format!(
                "Invalid input received: Sort key supplied was not valid: {key}"
            )));
        }
        items.sort_by(|a, b| {
            let order = a.sort_value(key).cmp(&b.sort_value(key));
            if descends { order.reverse() } else { order }
        });
    }
    Ok(())
}
