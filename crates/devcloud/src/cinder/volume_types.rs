//! `/types` and what stands beside them: encryption and zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Cinder;
use super::call::{Answer, Call, answer};
use super::fault::Fault;
use super::model::{Metadata, VolumeType, new_id};

/// Extra specs that ordinary users see.
const VISIBLE: [&str; 3] = ["multiattach", "RESKEY:availability_zones", "replication_enabled"];

/// `default`, `multi` (may be attached several times) and `luks` (encrypted).
pub(super) fn seeded() -> BTreeMap<String, VolumeType> {
    let plain = |name: &str, description: &str| VolumeType {
        id: new_id(),
        name: name.into(),
        description: Some(description.into()),
        extra_specs: Metadata::new(),
        encryption: None,
    };
    let default = plain("default", "Plain volumes");
    let mut multi = plain("multi", "May be attached to several hosts");
    multi.extra_specs.insert("multiattach".into(), "<is> True".into());
    let mut luks = plain("luks", "Encrypted volumes");
    let mut encryption = Map::new();
    for (key, value) in [
        ("provider", json!("luks")),
        ("cipher", json!("aes-xts-plain64")),
        ("key_size", json!(256)),
        ("control_location", json!("front-end")),
    ] {
        encryption.insert(key.into(), value);
    }
    luks.encryption = Some(encryption);
    [default, multi, luks].into_iter().map(|kind| (kind.id.clone(), kind)).collect()
}

fn shown_specs(call: &Call, kind: &VolumeType) -> Metadata {
    let mut specs = kind.extra_specs.clone();
    specs.retain(|key, _| call.caller.is_admin || VISIBLE.contains(&key.as_str()));
    specs
}

fn view(call: &Call, kind: &VolumeType) -> Value {
    let mut view = json!({
        "id": kind.id,
        "name": kind.name,
        "description": kind.description,
        "is_public": true,
        "extra_specs": shown_specs(call, kind),
    });
    if call.caller.is_admin
        && let Some(fields) = view.as_object_mut()
    {
        fields.insert("os-volume-type-access:is_public".into(), json!(true));
        fields.insert("qos_specs_id".into(), Value::Null);
    }
    view
}

fn find<R>(cinder: &Cinder, call: &Call, look: impl FnOnce(&VolumeType) -> R) -> Result<R, Fault> {
    let id = call.id();
    cinder.read(|state| {
        // `default` is a word here, not a name; it happens to be both.
        let found = if id == "default" { state.volume_type("default") } else { state.types.get(id) };
        found.map(look).ok_or_else(|| Fault::not_found(format!("Volume type {id} could not be found.")))
    })
}

pub(super) async fn list(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let mut types =
        cinder.read(|state| state.types.values().map(|kind| view(&call, kind)).collect::<Vec<_>>());
    types.sort_by_key(|kind| kind.get("name").map(Value::to_string));
    answer(StatusCode::OK, json!({"volume_types": types}))
}

pub(super) async fn show(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let view = find(&cinder, &call, |kind| view(&call, kind))?;
    answer(StatusCode::OK, json!({"volume_type": view}))
}

pub(super) async fn extra_specs(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let specs = find(&cinder, &call, |kind| shown_specs(&call, kind))?;
    answer(StatusCode::OK, json!({"extra_specs": specs}))
}

pub(super) async fn extra_spec(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let key = call.param("key");
    let specs = find(&cinder, &call, |kind| shown_specs(&call, kind))?;
    let missing =
        || Fault::not_found(format!("Volume Type {} has no extra specs with key {key}.", call.id()));
    let value = specs.get(key).ok_or_else(missing)?;
    answer(StatusCode::OK, json!({key: value}))
}

/// Of a type: administrators only.
pub(super) async fn encryption(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    call.needs_admin("volume_extension:volume_type_encryption:get")?;
    let encryption = find(&cinder, &call, |kind| kind.encryption.clone())?;
    answer(StatusCode::OK, Value::Object(encryption.unwrap_or_default()))
}

/// Of a volume: what its host needs to open it.
pub(super) async fn volume_encryption(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let view = cinder.read(|state| {
        let volume = state.volume(&call.caller, call.id())?;
        let mut view =
            state.types.get(&volume.type_id).and_then(|kind| kind.encryption.clone()).unwrap_or_default();
        // There is no key manager here.
        view.insert("encryption_key_id".into(), Value::Null);
        Ok::<_, Fault>(view)
    })?;
    answer(StatusCode::OK, Value::Object(view))
}

pub(super) async fn zones(Shared(cinder): Shared<Arc<Cinder>>, _call: Call) -> Answer {
    let zones: Vec<Value> = cinder
        .options
        .zones
        .iter()
        .map(|zone| json!({"zoneName": zone, "zoneState": {"available": true}}))
        .collect();
    answer(StatusCode::OK, json!({"availabilityZoneInfo": zones}))
}
