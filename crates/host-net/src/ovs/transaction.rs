//! The operations of OVSDB transactions that ports need (RFC 7047, section 5.2).

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Rows of a table that fulfil all conditions, with some columns.
pub(super) fn select(table: &str, conditions: Value, columns: &[&str]) -> Value {
    json!({"op": "select", "table": table, "where": conditions, "columns": columns})
}

/// The row's columns in a `name`d row.
pub(super) fn named(name: &str) -> Value {
    json!([["name", "==", name]])
}

/// The row of this id.
pub(super) fn with_id(id: &str) -> Value {
    json!([["_uuid", "==", ["uuid", id]]])
}

/// Rows whose set `column` holds the id.
pub(super) fn holding(column: &str, id: &str) -> Value {
    json!([[column, "includes", ["uuid", id]]])
}

/// Rows of ours by their mark.
pub(super) fn marked(owner: &str) -> Value {
    with_external_id("owner", owner)
}

/// Rows with this entry among their external ids.
pub(super) fn with_external_id(name: &str, value: &str) -> Value {
    json!([["external_ids", "includes", ["map", [[name, value]]]]])
}

/// The transaction fails as a whole unless such a row exists, now.
pub(super) fn must_exist(table: &str, conditions: Value) -> Value {
    json!({"op": "wait", "table": table, "where": conditions, "columns": ["_uuid"], "until": "!=", "rows": [],
        "timeout": 0})
}

/// The transaction fails as a whole if such a row exists, now.
pub(super) fn must_not_exist(table: &str, conditions: Value) -> Value {
    json!({"op": "wait", "table": table, "where": conditions, "columns": ["_uuid"], "until": "==", "rows": [],
        "timeout": 0})
}

/// A new port with one interface of the same name, in the bridge.
pub(super) fn add_port(bridge: &str, name: &str, external_ids: &BTreeMap<String, String>) -> [Value; 3] {
    [
        json!({"op": "insert", "table": "Interface", "uuid-name": "interface",
            "row": {"name": name, "external_ids": as_map(external_ids)}}),
        json!({"op": "insert", "table": "Port", "uuid-name": "port",
            "row": {"name": name, "interfaces": ["named-uuid", "interface"]}}),
        json!({"op": "mutate", "table": "Bridge", "where": named(bridge),
            "mutations": [["ports", "insert", ["named-uuid", "port"]]]}),
    ]
}

/// Writes these external ids of an interface and leaves its others.
pub(super) fn set_external_ids(interface: &str, external_ids: &BTreeMap<String, String>) -> Value {
    let names: Vec<&String> = external_ids.keys().collect();
    // Inserting alone would keep a name's old value.
    json!({"op": "mutate", "table": "Interface", "where": with_id(interface), "mutations": [
        ["external_ids", "delete", ["set", names]],
        ["external_ids", "insert", as_map(external_ids)],
    ]})
}

/// Takes a port out of its bridge. The server removes rows nobody refers to.
pub(super) fn drop_port(port: &str) -> Value {
    json!({"op": "mutate", "table": "Bridge", "where": holding("ports", port),
        "mutations": [["ports", "delete", ["uuid", port]]]})
}

/// Asks ovs-vswitchd to say when it has taken over the state of this transaction: two operations, the second's
/// row holds `next_cfg`.
pub(super) fn announce() -> [Value; 2] {
    [
        json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}),
        select("Open_vSwitch", json!([]), &["next_cfg"]),
    ]
}

/// Waits in the server until ovs-vswitchd has taken over what was announced with `next_cfg`, for at most so many
/// milliseconds.
pub(super) fn await_processed(next_cfg: i64, milliseconds: u64) -> Value {
    json!({"op": "wait", "table": "Open_vSwitch", "where": [["cur_cfg", ">=", next_cfg]], "columns": ["cur_cfg"],
        "until": "!=", "rows": [], "timeout": milliseconds})
}

fn as_map(entries: &BTreeMap<String, String>) -> Value {
    json!(["map", entries.iter().map(|(name, value)| [name, value]).collect::<Vec<_>>()])
}

/// Rows that fulfil the conditions of both.
pub(super) fn both(mut conditions: Value, more: Value) -> Value {
    if let (Value::Array(conditions), Value::Array(more)) = (&mut conditions, more) {
        conditions.extend(more);
    }
    conditions
}
