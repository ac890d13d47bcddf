//! Values of database rows (RFC 7047, section 5.1).

use std::collections::BTreeMap;

use serde_json::Value;

use super::failure::Failure;

/// The rows a `select` found.
pub(super) fn rows(result: Option<&Value>) -> Result<&[Value], Failure> {
    match result.and_then(|result| result.get("rows")) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(Failure::malformed("a select without rows")),
    }
}

/// A column of text.
pub(super) fn text<'a>(row: &'a Value, column: &str) -> Result<&'a str, Failure> {
    row.get(column).and_then(Value::as_str).ok_or_else(|| wrong(column))
}

/// The id of a row.
pub(super) fn id(row: &Value) -> Result<&str, Failure> {
    row.get("_uuid").and_then(reference).ok_or_else(|| wrong("_uuid"))
}

/// A column of references to other rows.
pub(super) fn ids<'a>(row: &'a Value, column: &str) -> Result<Vec<&'a str>, Failure> {
    set(row, column)?.into_iter().map(|value| reference(value).ok_or_else(|| wrong(column))).collect()
}

/// A column of text or nothing.
pub(super) fn optional_text<'a>(row: &'a Value, column: &str) -> Result<Option<&'a str>, Failure> {
    match set(row, column)?.first() {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| wrong(column)),
    }
}

/// A column of a number or nothing.
pub(super) fn optional_number(row: &Value, column: &str) -> Result<Option<i64>, Failure> {
    match set(row, column)?.first() {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(column)),
    }
}

/// A column of names and texts.
pub(super) fn map(row: &Value, column: &str) -> Result<BTreeMap<String, String>, Failure> {
    let Some([Value::String(kind), Value::Array(pairs)]) = array(row.get(column)) else {
        return Err(wrong(column));
    };
    if kind != "map" {
        return Err(wrong(column));
    }
    let pair = |pair: &Value| match array(Some(pair)) {
        Some([Value::String(name), Value::String(value)]) => Ok((name.clone(), value.clone())),
        _ => Err(wrong(column)),
    };
    pairs.iter().map(pair).collect()
}

/// A set of one is written as its only member.
fn set<'a>(row: &'a Value, column: &str) -> Result<Vec<&'a Value>, Failure> {
    let value = row.get(column).ok_or_else(|| wrong(column))?;
    match array(Some(value)) {
        Some([Value::String(kind), Value::Array(members)]) if kind == "set" => Ok(members.iter().collect()),
        _ => Ok(vec![value]),
    }
}

fn reference(value: &Value) -> Option<&str> {
    match array(Some(value)) {
        Some([Value::String(kind), Value::String(id)]) if kind == "uuid" => Some(id),
        _ => None,
    }
}

fn array(value: Option<&Value>) -> Option<&[Value]> {
    value.and_then(Value::as_array).map(Vec::as_slice)
}

fn wrong(column: &str) -> Failure {
    Failure::Malformed(format!("a row with an unreadable column {column}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sets_are_read_in_both_spellings() {
        let row = json!({"none": ["set", []], "one": ["uuid", "a"], "two": ["set", [["uuid", "a"], ["uuid", "b"]]],
            "text": "x", "number": -1});
        assert_eq!(ids(&row, "none").unwrap(), [""; 0]);
        assert_eq!(ids(&row, "one").unwrap(), ["a"]);
        assert_eq!(ids(&row, "two").unwrap(), ["a", "b"]);
        assert_eq!(optional_text(&row, "none").unwrap(), None);
        assert_eq!(optional_text(&row, "text").unwrap(), Some("x"));
        assert_eq!(optional_number(&row, "number").unwrap(), Some(-1));
    }

    #[test]
    fn unreadable_columns_are_named() {
        let row = json!({"m": ["map", [["a"]]], "n": ["map", "x"], "i": ["set", [1]], "t": 3});
        for outcome in [
            map(&row, "m").map(drop),
            map(&row, "n").map(drop),
            map(&row, "gone").map(drop),
            ids(&row, "i").map(drop),
            text(&row, "t").map(drop),
            id(&row).map(drop),
            optional_text(&row, "t").map(drop),
            rows(Some(&row)).map(drop),
        ] {
            assert!(matches!(outcome, Err(Failure::Malformed(_))), "{outcome:?}");
        }
    }
}
