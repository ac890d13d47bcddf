//! Sorting and paging, alike for all lists.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::fault::Fault;

/// What lists need to know of a resource.
pub(super) trait Listed {
    /// Its id, which the link to the next page names.
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

/// Sorts and cuts what a request asks for. `path` is the list's own, such as `shares`.
pub(super) fn page<'a, T: Listed>(
    call: &Call,
    mut items: Vec<&'a T>,
    max_limit: usize,
    path: &str,
) -> Result<Page<'a, T>, Fault> {
    sort(call, &mut items)?;
    let total = items.len();
    let offset = number(call, "offset")?.unwrap_or(0);
    let asked = number(call, "limit")?.filter(|limit| *limit > 0);
    let limit = asked.unwrap_or(max_limit).min(max_limit);
    let items: Vec<_> = items.into_iter().skip(offset).take(limit).collect();
    // Names a marker that no list heeds: a client has to count by itself.
    let next = items.last().filter(|_| asked == Some(items.len())).map(|last| {
        let mut query: Vec<_> =
            call.query.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        query.push(format!("marker={}", last.id()));
        format!("{}/{path}?{}", call.base, query.join("&"))
    });
    Ok(Page { items, total, next })
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
    let key = call.query("sort_key").unwrap_or("created_at");
    let descends = match call.query("sort_dir").unwrap_or("desc") {
        "asc" => false,
        "desc" => true,
        other => return Err(Fault::invalid_input(format!("'{other}' is no sort direction"))),
    };
    if items.iter().any(|item| item.sort_value(key).is_none()) {
        return Err(Fault::invalid_input(format!("'{key}' is no sort key")));
    }
    items.sort_by(|a, b| {
        let order = a.sort_value(key).cmp(&b.sort_value(key)).then(a.serial().cmp(&b.serial()));
        if descends { order.reverse() } else { order }
    });
    Ok(())
}
