//! A report of orphans for people.

use serde_json::{Map, Value};

use crate::output;

/// The report as a table and a sum.
pub(super) fn render(report: &Map<String, Value>) -> String {
    let orphans = orphans(report);
    if orphans.is_empty() {
        return "no orphans".to_owned();
    }
    let titles = ["KIND", "ID", "NAME", "AGE", "HOST", "ACTION", "WHY"];
    let mut lines = vec![titles.map(str::to_owned).to_vec()];
    for orphan in orphans {
        let text = |key: &str| orphan.get(key).and_then(Value::as_str).unwrap_or_default();
        let why = [text("why"), text("failure")].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>();
        let cells = [
            text("kind").to_owned(),
            text("id").to_owned(),
            text("name").to_owned(),
            orphan.get("age_seconds").and_then(Value::as_u64).map(age).unwrap_or_default(),
            text("host").to_owned(),
            text("action").replace('-', " "),
            why.join("; "),
        ];
        let cell = |text: String| match text.replace(char::is_control, " ") {
            text if text.is_empty() => "-".to_owned(),
            text => text,
        };
        lines.push(cells.map(cell).to_vec());
    }
    output::columns(&lines)
}

/// How many of the report's orphans could not be removed.
pub(super) fn failures(report: &Map<String, Value>) -> usize {
    orphans(report).iter().filter(|o| o.get("action").and_then(Value::as_str) == Some("failed")).count()
}

fn orphans(report: &Map<String, Value>) -> &[Value] {
    report.get("orphans").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// In the largest unit that makes a whole number.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_orphan_is_a_line_that_says_why_and_what_was_done() {
        let report = json!({"dry_run": false, "orphans": [
            {"kind": "port", "id": "p-1", "name": "x-port", "age_seconds": 7300, "host": "node-1", "why": "ours",
             "action": "failed", "failure": "no\nanswer"},
            {"kind": "network", "id": "n-1", "name": "", "age_seconds": null, "host": "", "why": "theirs",
             "action": "left", "failure": null},
        ]});
        let report = report.as_object().unwrap();
        let text = render(report);
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "  KIND     ID   NAME    AGE  HOST    ACTION  WHY",
                "  port     p-1  x-port  2h   node-1  failed  ours; no answer",
                "  network  n-1  -       -    -       left    theirs",
            ]
        );
        assert_eq!(failures(report), 1);
        assert_eq!(render(&Map::new()), "no orphans");
    }

    #[test]
    fn ages_are_short() {
        assert_eq!([59, 119, 120, 7_199, 7_200, 172_800].map(age), ["59s", "119s", "2m", "119m", "2h", "2d"]);
    }
}
