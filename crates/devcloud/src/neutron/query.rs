//! The query string of a list: filters, tags, chosen fields, order and pages.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fault::Fault;

/// A parsed query string.
#[derive(Debug, Default)]
pub(crate) struct Query {
    filters: BTreeMap<String, Vec<String>>,
    fields: Vec<String>,
    sort: Vec<(String, bool)>,
    limit: Option<usize>,
    marker: Option<String>,
    reverse: bool,
    raw: Vec<(String, String)>,
}

/// A page of a list and the links around it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Map<String, Value>>,
    pub(crate) links: Vec<Value>,
}

impl Query {
    /// Parses a query string. An empty value of an attribute asks for what has it empty, as Neutron does with
    /// `empty-string-filtering`.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, Fault> {
        let mut query = Self::default();
        let (mut keys, mut directions) = (Vec::new(), Vec::new());
        for (key, value) in url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            let (key, value) = (key.into_owned(), value.into_owned());
            query.raw.push((key.clone(), value.clone()));
            let no_attribute = ["fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"];
            if value.is_empty() && no_attribute.contains(&key.as_str()) {
                continue;
            }
            match key.as_str() {
                "fields" => query.fields.push(value),
                "sort_key" => keys.push(value),
                "sort_dir" => directions.push(match value.as_str() {
                    "asc" => false,
                    "desc" => true,
                    other => {
                        return Err(Fault::request(format!(
                            "sort_dir '{other}' is invalid; valid values are: asc, desc"
                        )));
                    }
                }),
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| {
                        let text = format!("Limit must be an integer 0 or greater and not '{value}'");
                        Fault::bad("BadRequest", format!("Bad limit request: {text}."))
                    })?;
                    query.limit = Some(limit).filter(|l| *l > 0);
                }
                "marker" => query.marker = Some(value),
                "page_reverse" => query.reverse = value.eq_ignore_ascii_case("true"),
                "tenant_id" => query.filters.entry("project_id".into()).or_default().push(value),
                _ => query.filters.entry(key).or_default().push(value),
            }
        }
        if directions.len() != keys.len() {
            return Err(Fault::request("The number of sort_keys and sort_dirs must be same"));
        }
        query.sort = keys.into_iter().zip(directions).collect();
        Ok(query)
    }

    /// Whether an item passes all filters.
    pub(crate) fn matches(&self, item: &Map<String, Value>) -> bool {
        self.filters.iter().all(|(key, values)| match key.as_str() {
            "tags" | "tags-any" | "not-tags" | "not-tags-any" => {
                let own: Vec<&str> = item
                    .get("tags")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let wanted: Vec<&str> = values.iter().flat_map(|v| v.split(',')).collect();
                let (all, any) =
                    (wanted.iter().all(|w| own.contains(w)), wanted.iter().any(|w| own.contains(w)));
                match key.as_str() {
                    "tags" => all,
                    "tags-any" => any,
                    "not-tags" => !all,
                    _ => !any,
                }
            }
            // Attributes nobody knows do not filter.
            _ => item.get(key).is_none_or(|own| value_matches(own, values)),
        })
    }

    /// Refuses filters by what is no attribute.
    pub(crate) fn check_filters(&self, known: impl Fn(&str) -> bool) -> Result<(), Fault> {
        let others = ["tags", "tags-any", "not-tags", "not-tags-any", "changed_since"];
        let unknown = |key: &&String| !others.contains(&key.as_str()) && !known(key);
        match self.filters.keys().find(unknown) {
            None => Ok(()),
            Some(key) => Err(Fault::request(format!("['{key}'] is invalid attribute for filtering"))),
        }
    }

    /// Sorts, cuts the page and makes its links.
    pub(crate) fn page(
        &self,
        mut items: Vec<Map<String, Value>>,
        url: &str,
        known: impl Fn(&str) -> bool,
        not_found: impl Fn(&str) -> Fault,
    ) -> Result<Page, Fault> {
        if let Some((key, _)) = self.sort.iter().find(|(key, _)| !known(key)) {
            return Err(Fault::request(format!("{key} is invalid attribute for sort_keys")));
        }
        items.sort_by(|a, b| self.order(a, b));
        if self.reverse {
            items.reverse();
        }
        if let Some(marker) = &self.marker {
            let at = items.iter().position(|i| id(i) == marker.as_str()).ok_or_else(|| not_found(marker))?;
            items.drain(..=at);
        }
        let mut links = Vec::new();
        if let Some(limit) = self.limit {
            let more = items.len() >= limit;
            items.truncate(limit);
            if self.reverse {
                items.reverse();
            }
            // Neutron does not look whether anything comes before or after, only whether the page is full.
            let (forward, back) = if self.reverse { (true, more) } else { (more, true) };
            if let (true, Some(last)) = (forward, items.last()) {
                links.push(json!({"rel": "next", "href": self.link(url, id(last), false)}));
            }
            if let (true, Some(first)) = (back, items.first()) {
                links.push(json!({"rel": "previous", "href": self.link(url, id(first), true)}));
            }
        } else if self.reverse {
            items.reverse();
        }
        Ok(Page { items: items.into_iter().map(|item| self.choose(item)).collect(), links })
    }

    /// Leaves only the fields asked for.
    pub(crate) fn choose(&self, mut item: Map<String, Value>) -> Map<String, Value> {
        if !self.fields.is_empty() {
            item.retain(|key, _| self.fields.contains(key));
        }
        item
    }

    fn order(&self, a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
        for (key, descending) in &self.sort {
            let order = compare(a.get(key), b.get(key));
            let order = if *descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        id(a).cmp(id(b))
    }

    fn link(&self, url: &str, marker: &str, reverse: bool) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.raw.iter().filter(|(k, _)| k != "marker" && k != "page_reverse") {
            text.append_pair(key, value);
        }
        text.append_pair("marker", marker);
        if reverse {
            text.append_pair("page_reverse", "True");
        }
        format!("{url}?{}", text.finish())
    }
}

fn id(item: &Map<String, Value>) -> &str {
    item.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (a, b) => a.map(as_text).cmp(&b.map(as_text)),
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether an attribute has one of the values; a list has it when one of its elements has.
fn value_matches(own: &Value, wanted: &[String]) -> bool {
    match own {
        Value::Array(items)
            if items.iter().any(Value::is_object) || wanted.iter().any(|w| w.contains('=')) =>
        {
            objects_match(items, wanted)
        }
        Value::Array(items) => items.iter().any(|item| value_matches(item, wanted)),
        Value::Bool(b) => wanted.iter().any(|w| {
            let yes = w.eq_ignore_ascii_case("true") || w == "1";
            yes == *b
        }),
        Value::Null => false,
        // Hardware addresses are compared in lower case, whatever the spelling.
        other => {
            let own = as_text(other);
            wanted.iter().any(|w| *w == own || (own.contains(':') && own.eq_ignore_ascii_case(w)))
        }
    }
}

/// `key=value` filters on a list of objects: for every key some object must match a value, not the same for all.
fn objects_match(items: &[Value], wanted: &[String]) -> bool {
    let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pair in wanted {
        if let Some((key, value)) = pair.split_once('=') {
            by_key.entry(key).or_default().push(value);
        }
    }
    by_key.iter().all(|(key, values)| {
        items.iter().any(|item| match key.strip_suffix("_substr") {
            Some(key) => item
                .get(key)
                .and_then(Value::as_str)
                .is_some_and(|own| values.iter().any(|v| own.contains(v))),
            None => item.get(key).map(as_text).is_some_and(|own| values.contains(&own.as_str())),
        })
    })
}
