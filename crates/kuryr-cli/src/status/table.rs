//! A status as tables for people.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::output;

/// A table: where its rows are, and the columns with their titles.
struct Table {
    part: &'static str,
    rows: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

/// Docker's ids are as long as Docker's own client shows them.
const SHORT: usize = 12;

const TABLES: [Table; 5] = [
    Table {
        part: "network",
        rows: "networks",
        columns: &[
            ("NETWORK", "id"),
            ("STATE", "phase"),
            ("SUBNETS", "subnets"),
            ("NEUTRON NETWORK", "neutron_id"),
            ("FOUND OR MADE", "adopted"),
        ],
    },
    Table {
        part: "network",
        rows: "endpoints",
        columns: &[
            ("ENDPOINT", "id"),
            ("NETWORK", "network_id"),
            ("STATE", "phase"),
            ("IN USE", "joined"),
            ("LINK", "link"),
            ("NEUTRON PORT", "port_id"),
        ],
    },
    Table {
        part: "network",
        rows: "pools",
        columns: &[("POOL", "id"), ("RANGE", "pool"), ("NETWORK", "network_id")],
    },
    Table {
        part: "volume",
        rows: "volumes",
        columns: &[
            ("VOLUME", "name"),
            ("STATE", "stage"),
            ("ORIGIN", "origin"),
            ("GIB", "size"),
            ("USERS", "references"),
            ("CINDER VOLUME", "volume_id"),
            ("MOUNTED AT", "mountpoint"),
            ("TROUBLE", "trouble"),
        ],
    },
    Table {
        part: "volume",
        rows: "shares",
        columns: &[
            ("SHARE", "name"),
            ("STATE", "stage"),
            ("ORIGIN", "origin"),
            ("GIB", "size"),
            ("USERS", "references"),
            ("MANILA SHARE", "share_id"),
            ("EXPORT", "export"),
            ("MOUNTED AT", "mountpoint"),
            ("TROUBLE", "trouble"),
        ],
    },
];

/// All tables of the plugins that are served.
pub(super) fn render(status: &Map<String, Value>) -> String {
    let field = |key: &str| status.get(key).map(|v| cell(key, v)).unwrap_or_default();
    let mut text = format!("kuryr {} (pid {})\n", field("version"), field("pid"));
    for (part, plugin) in [("network", "kuryr (networks)"), ("volume", "fuxi (volumes)")] {
        if status.get(part).is_none_or(Value::is_null) {
            let _ = writeln!(text, "{plugin}: not served");
        }
    }
    let machine = status.get("network").and_then(|n| n.get("machine")).and_then(Value::as_object);
    if let Some(machine) = machine {
        let field = |key: &str| machine.get(key).map_or_else(|| "-".to_owned(), |v| cell(key, v));
        let _ = writeln!(
            text,
            "virtual machine: {} on {}, port {}, network {}, trunk {}",
            field("driver"),
            field("link"),
            field("port_id"),
            field("network_id"),
            field("trunk_id")
        );
    }
    for table in &TABLES {
        let Some(part) = status.get(table.part).filter(|p| !p.is_null()) else { continue };
        let rows = part.get(table.rows).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let _ = writeln!(text, "\n{}: {}", table.rows, rows.len());
        if !rows.is_empty() {
            draw(table, rows, &mut text);
        }
    }
    let doomed = status.get("network").and_then(|n| n.get("doomed")).and_then(Value::as_u64).unwrap_or(0);
    if doomed > 0 {
        let _ = writeln!(text, "\n{doomed} objects wait to be removed from Neutron; they are tried again");
    }
    text
}

fn draw(table: &Table, rows: &[Value], text: &mut String) {
    let mut lines: Vec<Vec<String>> =
        vec![table.columns.iter().map(|(title, _)| (*title).to_owned()).collect()];
    for row in rows {
        let cells =
            table.columns.iter().map(|(_, key)| row.get(key).map_or_else(|| "-".into(), |v| cell(key, v)));
        lines.push(cells.collect());
    }
    text.push_str(&output::columns(&lines));
}

fn cell(key: &str, value: &Value) -> String {
    match (key, value) {
        ("adopted", Value::Bool(true)) => "found".to_owned(),
        ("adopted", Value::Bool(false)) => "made".to_owned(),
        (_, Value::Bool(true)) => "yes".to_owned(),
        (_, Value::Bool(false)) => "no".to_owned(),
        (_, Value::Null) => "-".to_owned(),
        ("id" | "network_id", Value::String(id)) if id.len() == 64 => id.chars().take(SHORT).collect(),
        (_, Value::String(text)) if text.is_empty() => "-".to_owned(),
        // A cell is one line, whatever the failure's text holds.
        (_, Value::String(text)) => text.replace(char::is_control, " "),
        (_, Value::Array(list)) if list.is_empty() => "-".to_owned(),
        (_, Value::Array(list)) => list.iter().map(|v| cell(key, v)).collect::<Vec<_>>().join(","),
        (_, other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(status: Value) -> String {
        render(status.as_object().unwrap())
    }

    #[test]
    fn columns_line_up_under_their_titles_and_ids_are_short() {
        let text = rendered(json!({
            "version": "1.0", "pid": 7, "volume": null,
            "network": {"networks": [
                {"id": "a".repeat(64), "neutron_id": "n-1", "adopted": true, "phase": "ready", "subnets": ["10.0.0.0/24", "fd00::/64"]},
                {"id": "b".repeat(64), "neutron_id": null, "adopted": false, "phase": "creating", "subnets": []},
            ], "endpoints": [], "pools": [], "doomed": 2},
        }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "kuryr 1.0 (pid 7)",
                "fuxi (volumes): not served",
                "",
                "networks: 2",
                "  NETWORK       STATE     SUBNETS                NEUTRON NETWORK  FOUND OR MADE",
                "  aaaaaaaaaaaa  ready     10.0.0.0/24,fd00::/64  n-1              found",
                "  bbbbbbbbbbbb  creating  -                      -                made",
                "",
                "endpoints: 0",
                "",
                "pools: 0",
                "",
                "2 objects wait to be removed from Neutron; they are tried again",
            ]
        );
    }

    #[test]
    fn a_share_is_told_with_its_export() {
        let text = rendered(json!({"version": "1.0", "pid": 7, "network": null, "volume": {
            "label": "fuxi", "volumes": [], "shares": [
                {"name": "s", "share_id": "id-1", "stage": "mounted", "origin": "created", "size": 3, "references": 1,
                 "export": "10.0.0.5:/x", "mountpoint": "/fuxi/data/s", "trouble": null},
        ]}}));
        assert!(
            text.contains("shares: 1\n")
                && text.contains(
                    "  s      mounted  created  3    1      id-1          10.0.0.5:/x  /fuxi/data/s  -\n"
                ),
            "{text}"
        );
    }

    #[test]
    fn a_volumes_trouble_stays_on_its_line() {
        let text = rendered(
            json!({"version": "1.0", "pid": 7, "network": null, "volume": {"label": "fuxi", "volumes": [
                {"name": "v", "volume_id": null, "stage": "broken", "origin": "unknown", "size": 3, "mountpoint": null,
                 "references": 0, "trouble": "one\ntwo"},
            ]}}),
        );
        assert!(
            text.contains("  v       broken  unknown  3    0      -              -           one two\n"),
            "{text}"
        );
        assert!(!text.contains("networks:"), "{text}");
    }
}
