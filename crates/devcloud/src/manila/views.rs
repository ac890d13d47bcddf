//! How resources look on the wire.

use serde_json::{Map, Value, json};

use super::Manila;
use super::call::Call;
use super::microversion::Microversion;
use super::model::{Export, Rule, Share, ShareStatus, Snapshot, State};

/// Where the resource is, with and without the version.
pub(super) fn links(call: &Call, collection: &str, id: &str) -> Value {
    let bookmark = call.base.replacen("/v2", "", 1);
    json!([
        {"rel": "self", "href": format!("{}/{collection}/{id}", call.base)},
        {"rel": "bookmark", "href": format!("{bookmark}/{collection}/{id}")},
    ])
}

pub(super) fn share_summary(call: &Call, share: &Share) -> Value {
    json!({"id": share.id, "name": share.name, "links": links(call, "shares", &share.id)})
}

/// A share with everything the caller may see at this microversion.
pub(super) fn share(manila: &Manila, call: &Call, state: &State, share: &Share) -> Value {
    let kind = state.share_types.get(&share.type_id);
    let type_name = kind.map(|kind| kind.name.as_str());
    let can = |spec: &str| kind.is_some_and(|kind| kind.has(spec));
    let from = |version: Microversion| call.version >= version;
    let status = match share.status {
        ShareStatus::CreatingFromSnapshot if !from(Microversion::PROGRESS) => ShareStatus::Creating,
        status => status,
    };
    let mut view = Map::new();
    let mut put = |key: &str, value: Value| view.insert(key.to_owned(), value);
    put("id", json!(share.id));
    put("size", json!(share.size));
    put("availability_zone", json!(share.availability_zone));
    put("created_at", json!(share.created_at));
    put("status", json!(status));
    put("name", json!(share.name));
    put("description", json!(share.description));
    put("project_id", json!(share.project_id));
    put("snapshot_id", json!(share.snapshot_id));
    put("share_network_id", json!(share.share_network_id));
    put("share_proto", json!(share.protocol));
    put("metadata", json!(share.metadata));
    put("share_type", json!(type_name));
    put("volume_type", json!(type_name));
    put("links", links(call, "shares", &share.id));
    put("is_public", json!(share.is_public));
    if from(Microversion::SNAPSHOT_SUPPORT) {
        put("snapshot_support", json!(can("snapshot_support")));
    }
    if from(Microversion::TASK_STATE) {
        put("task_state", Value::Null);
    }
    if from(Microversion::TYPE_ID) {
        put("share_type", json!(share.type_id));
        put("share_type_name", json!(type_name));
    }
    if !from(Microversion::EXPORTS) {
        let paths: Vec<_> = share.exports.iter().filter(|e| !e.is_admin_only).map(|e| &e.path).collect();
        put("export_location", json!(paths.first()));
        put("export_locations", json!(paths));
    }
    if from(Microversion::RULES_STATUS) {
        put("access_rules_status", json!(rules_status(call, state, share)));
    }
    if from(Microversion::REPLICATION) {
        put("replication_type", Value::Null);
        put("has_replicas", json!(false));
    }
    if from(Microversion::USER_ID) {
        put("user_id", json!(share.user_id));
    }
    if from(Microversion::FROM_SNAPSHOT) {
        put("create_share_from_snapshot_support", json!(can("create_share_from_snapshot_support")));
    }
    if from(Microversion::REVERT) {
        put("revert_to_snapshot_support", json!(false));
    }
    if from(Microversion::GROUPS) {
        put("share_group_id", Value::Null);
        put("source_share_group_snapshot_member_id", Value::Null);
    }
    if from(Microversion::MOUNT_SNAPSHOT) {
        put("mount_snapshot_support", json!(false));
    }
    if from(Microversion::PROGRESS) {
        let done = if share.exports.is_empty() { "0%" } else { "100%" };
        put("progress", json!(done));
    }
    if call.caller.is_admin {
        put("host", json!(manila.options.host));
        put("share_server_id", Value::Null);
    }
    Value::Object(view)
}

fn rules_status(call: &Call, state: &State, share: &Share) -> &'static str {
    match state.rules_status(&share.id) {
        "syncing" if call.version < Microversion::RULE_STATES => "out_of_sync",
        status => status,
    }
}

/// A rule in a list.
pub(super) fn rule_summary(call: &Call, state: &State, rule: &Rule) -> Value {
    // Before each rule had a state of its own, all of a share showed the same.
    let status = match (call.version < Microversion::RULE_STATES, state.rules_status(&rule.share_id)) {
        (false, _) => rule.state.as_str(),
        (true, "syncing") => "new",
        (true, status) => status,
    };
    let mut view = Map::new();
    view.insert("id".into(), json!(rule.id));
    view.insert("access_level".into(), json!(rule.access_level));
    view.insert("access_to".into(), json!(rule.access_to));
    view.insert("access_type".into(), json!(rule.access_type));
    view.insert("state".into(), json!(status));
    if call.version >= Microversion::ACCESS_KEY {
        view.insert("access_key".into(), json!(rule.access_key));
    }
    if call.version >= Microversion::RULE_TIMES {
        view.insert("created_at".into(), json!(rule.created_at));
        view.insert("updated_at".into(), json!(rule.updated_at));
    }
    if call.version >= Microversion::RULES {
        view.insert("metadata".into(), json!(rule.metadata));
    }
    Value::Object(view)
}

/// A rule by itself.
pub(super) fn rule(call: &Call, state: &State, rule: &Rule) -> Value {
    let mut view = rule_summary(call, state, rule);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("share_id".into(), json!(rule.share_id));
    }
    view
}

pub(super) fn export(call: &Call, share: &Share, export: &Export) -> Value {
    let mut view = json!({"id": export.id, "path": export.path});
    let Some(fields) = view.as_object_mut() else { return view };
    if call.version >= Microversion::PREFERRED {
        fields.insert("preferred".into(), json!(export.preferred));
    }
    if call.caller.is_admin {
        // Shares have one instance each here, and it has the share's id.
        fields.insert("share_instance_id".into(), json!(share.id));
        fields.insert("is_admin_only".into(), json!(export.is_admin_only));
    }
    view
}

pub(super) fn snapshot_summary(call: &Call, snapshot: &Snapshot) -> Value {
    json!({"id": snapshot.id, "name": snapshot.name, "links": links(call, "snapshots", &snapshot.id)})
}

pub(super) fn snapshot(call: &Call, snapshot: &Snapshot) -> Value {
    let mut view = json!({
        "id": snapshot.id,
        "share_id": snapshot.share_id,
        "share_size": snapshot.size,
        "created_at": snapshot.created_at,
        "status": snapshot.status,
        "name": snapshot.name,
        "description": snapshot.description,
        "size": snapshot.size,
        "share_proto": snapshot.protocol,
        "links": links(call, "snapshots", &snapshot.id),
    });
    if call.version >= Microversion::SNAPSHOT_OWNER
        && let Some(fields) = view.as_object_mut()
    {
        fields.insert("project_id".into(), json!(snapshot.project_id));
        fields.insert("user_id".into(), json!(snapshot.user_id));
    }
    view
}
