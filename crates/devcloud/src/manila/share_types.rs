//! `/types` and `/availability-zones`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::Manila;
use super::call::{Answer, Call, answer};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{Metadata, ShareType, new_id};

/// The type of shares that name none.
pub(super) const DEFAULT: &str = "default";

/// Extra specs that everybody sees.
const VISIBLE: [&str; 3] =
    ["driver_handles_share_servers", "snapshot_support", "create_share_from_snapshot_support"];

/// `default` (plain), `servers` (asks for a share network) and `snapshots` (can be snapshotted and cloned).
pub(super) fn seeded() -> BTreeMap<String, ShareType> {
    let kind = |name: &str, description: &str, servers: bool, snapshots: bool| {
        let word = |yes: bool| if yes { "True" } else { "False" }.to_owned();
        let mut extra_specs = Metadata::new();
        extra_specs.insert("driver_handles_share_servers".into(), word(servers));
        extra_specs.insert("snapshot_support".into(), word(snapshots));
        extra_specs.insert("create_share_from_snapshot_support".into(), word(snapshots));
        extra_specs.insert("share_backend_name".into(), "devcloud".into());
        ShareType { id: new_id(), name: name.into(), description: description.into(), extra_specs }
    };
    let types = [
        kind(DEFAULT, "Plain shares", false, false),
        kind("servers", "On a server in a share network", true, false),
        kind("snapshots", "With snapshots", false, true),
    ];
    types.into_iter().map(|kind| (kind.id.clone(), kind)).collect()
}

fn shown_specs(call: &Call, kind: &ShareType) -> Metadata {
    let mut specs = kind.extra_specs.clone();
    specs.retain(|key, _| call.caller.is_admin || VISIBLE.contains(&key.as_str()));
    specs
}

fn view(call: &Call, kind: &ShareType) -> Value {
    let mut required = kind.extra_specs.clone();
    required.retain(|key, _| key == "driver_handles_share_servers");
    let public = if call.version >= Microversion::PLAIN_NAMES {
        "share_type_access:is_public"
    } else {
        "os-share-type-access:is_public"
    };
    let mut view = json!({
        "id": kind.id,
        "name": kind.name,
        "description": kind.description,
        "extra_specs": shown_specs(call, kind),
        "required_extra_specs": required,
        public: true,
    });
    if call.version >= Microversion::DEFAULT_TYPE
        && let Some(fields) = view.as_object_mut()
    {
        fields.insert("is_default".into(), json!(kind.name == DEFAULT));
    }
    view
}

fn find<R>(manila: &Manila, id: &str, look: impl FnOnce(&ShareType) -> R) -> Result<R, Fault> {
    let missing = || Fault::not_found("Share type not found.");
    manila.read(|state| state.share_types.get(id).map(look).ok_or_else(missing))
}

/// Both names of the collection.
pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let mut types: Vec<Value> =
        manila.read(|state| state.share_types.values().map(|kind| view(&call, kind)).collect());
    types.sort_by_key(|kind| kind.get("name").map(Value::to_string));
    answer(StatusCode::OK, json!({"share_types": types, "volume_types": types}))
}

fn one(view: &Value) -> Answer {
    answer(StatusCode::OK, json!({"share_type": view, "volume_type": view}))
}

pub(super) async fn default(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let found = manila.read(|state| state.share_type(DEFAULT).map(|kind| view(&call, kind)));
    one(&found.ok_or_else(|| Fault::not_found("Share type not found."))?)
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    one(&find(&manila, call.id(), |kind| view(&call, kind))?)
}

pub(super) async fn extra_specs(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let specs = find(&manila, call.id(), |kind| shown_specs(&call, kind))?;
    answer(StatusCode::OK, json!({"extra_specs": specs}))
}

pub(super) async fn zones(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::PLAIN_NAMES)?;
    let zones: Vec<Value> = manila
        .options
        .zones
        .iter()
        .map(|zone| json!({"id": zone, "name": zone, "created_at": null, "updated_at": null}))
        .collect();
    answer(StatusCode::OK, json!({"availability_zones": zones}))
}
