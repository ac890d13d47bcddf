//! Volumes for people.

use serde_json::Value;

use crate::arguments::VolumeAction;
use crate::output;

/// The answer to an action as text.
pub(super) fn render(action: &VolumeAction, done: &Value) -> String {
    match action {
        VolumeAction::Ls => rows(
            done,
            "no volumes",
            &[
                ("VOLUME", "/name"),
                ("PROVIDER", "/status/provider"),
                ("GIB", "/status/size_gib"),
                ("STATE", "/status/state"),
                ("ORIGIN", "/status/origin"),
                ("ID", "/status/volume_id"),
                ("MOUNTED AT", "/mountpoint"),
            ],
        ),
        VolumeAction::Snapshots { .. } => rows(
            done,
            "no snapshots",
            &[
                ("SNAPSHOT", "/id"),
                ("NAME", "/name"),
                ("STATE", "/status"),
                ("GIB", "/size"),
                ("MADE", "/created_at"),
            ],
        ),
        VolumeAction::Fence { name, attachment: None } => {
            let holders = rows(
                done,
                "nobody else has it",
                &[
                    ("ATTACHMENT", "/attachment_id"),
                    ("HOST", "/place"),
                    ("SERVER", "/server_id"),
                    ("STATE", "/state"),
                    ("SINCE", "/since"),
                ],
            );
            let first = done.pointer("/0/attachment_id").and_then(Value::as_str);
            let advice = first.map(|id| {
                format!(
                    "\nOnly if that host is off or cut off from the storage:\n  kuryr volume fence {name} --attachment {id}"
                )
            });
            holders + &advice.unwrap_or_default()
        }
        VolumeAction::Show { .. } => details(done),
        VolumeAction::Extend { name, .. } => {
            format!("{name} has {} GiB", cell(done.get("size").unwrap_or(&Value::Null)))
        }
        VolumeAction::Snapshot { .. } => cell(done.get("id").unwrap_or(&Value::Null)),
        VolumeAction::Detach { name } => format!("{name} is detached"),
        VolumeAction::Fence { name, .. } => format!("{name} can be mounted here"),
        VolumeAction::Adopt { name, .. } | VolumeAction::Clone { name, .. } => name.clone(),
    }
}

fn rows(done: &Value, none: &str, columns: &[(&str, &str)]) -> String {
    let items = done.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return none.to_owned();
    }
    let mut lines = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>()];
    for item in items {
        lines.push(columns.iter().map(|(_, at)| cell(item.pointer(at).unwrap_or(&Value::Null))).collect());
    }
    output::columns(&lines)
}

/// `show`: one fact a line.
fn details(done: &Value) -> String {
    let mut lines = vec![vec!["FACT".to_owned(), "VALUE".to_owned()]];
    let mut add = |name: &str, value: &Value| {
        if !value.is_null() {
            lines.push(vec![name.to_owned(), cell(value)]);
        }
    };
    for key in ["name", "mountpoint", "cloud_status"] {
        add(key, done.get(key).unwrap_or(&Value::Null));
    }
    for (key, value) in done.get("status").and_then(Value::as_object).into_iter().flatten() {
        add(key, value);
    }
    for id in done.get("references").and_then(Value::as_array).into_iter().flatten() {
        add("mounted for", id);
    }
    for holder in done.get("holders").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| holder.get(key).map(cell).unwrap_or_default();
        let own = holder.get("own").and_then(Value::as_bool) == Some(true);
        let line = format!(
            "{}{} (attachment {})",
            if own { "this host, " } else { "" },
            text("place"),
            text("attachment_id")
        );
        add("held by", &Value::String(line));
    }
    output::columns(&lines)
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace(char::is_control, " "),
        other => other.to_string(),
    };
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_and_an_empty_one_says_so() {
        let done = json!([{"name": "v", "mountpoint": null, "status": {"provider": "cinder", "size_gib": 2, "state": "ready"}}]);
        let text = render(&VolumeAction::Ls, &done);
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["v", "cinder", "2", "ready", "-", "-", "-"]);
        assert_eq!(render(&VolumeAction::Ls, &json!([])), "no volumes");
    }

    #[test]
    fn whoever_looks_for_the_holder_is_told_how_to_fence_it() {
        let action = VolumeAction::Fence { name: "v".into(), attachment: None };
        let text = render(&action, &json!([{"attachment_id": "a-1", "place": "node-9:/fuxi/data/v"}]));
        assert!(text.contains("node-9:/fuxi/data/v"), "{text}");
        assert!(text.ends_with("kuryr volume fence v --attachment a-1"), "{text}");
        assert_eq!(render(&action, &json!([])), "nobody else has it");
    }
}
