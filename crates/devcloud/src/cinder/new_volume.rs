//! What may stand in the body of a volume's creation, and what becomes of it.

use serde_json::{Map, Value};

use super::Cinder;
use super::call::{Body, Call};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{Metadata, SnapshotStatus, State, Volume, VolumeStatus, VolumeType, new_id, now};

/// Longest name, description, metadata key or value.
const TEXT: usize = 255;
/// Largest size a volume can ask for, GiB.
const MAX_SIZE: u64 = 0x7FFF_FFFF;

const KNOWN: [&str; 17] = [
    "name",
    "description",
    "display_name",
    "display_description",
    "volume_type",
    "metadata",
    "snapshot_id",
    "source_volid",
    "consistencygroup_id",
    "size",
    "availability_zone",
    "multiattach",
    "image_id",
    "imageRef",
    "group_id",
    "backup_id",
    "scheduler_hints",
];

/// Where a volume's bytes come from.
struct Source {
    snapshot_id: Option<String>,
    source_volid: Option<String>,
    /// GiB.
    size: Option<u64>,
    type_id: Option<String>,
    bootable: bool,
}

/// A volume in `creating`, not yet part of the state.
pub(super) fn build(cinder: &Cinder, call: &Call, state: &mut State, body: &Body) -> Result<Volume, Fault> {
    let fields = body.inner("volume")?;
    envelope(call, body, fields)?;
    let name = text(fields, &["name", "display_name"])?.flatten();
    let description = text(fields, &["description", "display_description"])?.flatten();
    let metadata = match fields.get("metadata") {
        None | Some(Value::Null) => Metadata::new(),
        Some(value) => metadata(value)?,
    };
    let source = source(call, state, fields)?;
    let size = size(fields, &source)?;
    let kind = volume_type(state, fields, &source)?;
    let (type_id, multiattach, encrypted) =
        (kind.id.clone(), kind.is_multiattach(), kind.encryption.is_some());
    let availability_zone = zone(cinder, fields)?;
    super::quotas::check_volume(cinder, state, &call.caller.project_id, size)?;
    Ok(Volume {
        id: new_id(),
        serial: state.next_serial(),
        project_id: call.caller.project_id.clone(),
        user_id: call.caller.user_id.clone(),
        name,
        description,
        size,
        status: VolumeStatus::Creating,
        previous: None,
        metadata,
        multiattach,
        bootable: source.bootable,
        encrypted,
        readonly: None,
        type_id,
        availability_zone,
        snapshot_id: source.snapshot_id,
        source_volid: source.source_volid,
        created_at: now(),
        updated_at: None,
    })
}

/// What is wrong regardless of the state.
fn envelope(call: &Call, body: &Body, fields: &Map<String, Value>) -> Result<(), Fault> {
    for (key, value) in &body.0 {
        match (key.as_str(), value) {
            ("volume", _) | ("OS-SCH-HNT:scheduler_hints", Value::Object(_) | Value::Null) => {}
            ("OS-SCH-HNT:scheduler_hints", other) => {
                return Err(Fault::field(key, other, "It is not of type 'object', 'null'"));
            }
            _ => {
                return Err(Fault::bad(format!(
                    "Additional properties are not allowed ('{key}' was unexpected)"
                )));
            }
        }
    }
    if let Some(key) = fields.keys().find(|key| !KNOWN.contains(&key.as_str()))
        && call.version >= Microversion::STRICT_CREATE
    {
        return Err(Fault::bad(format!("Additional properties are not allowed ('{key}' was unexpected)")));
    }
    if fields.contains_key("multiattach") {
        return Err(Fault::bad(
            "multiattach parameter has been removed: use a volume type whose extra specs allow multiattach",
        ));
    }
    for key in ["imageRef", "image_id", "backup_id", "consistencygroup_id"] {
        if !matches!(fields.get(key), None | Some(Value::Null)) && fields.get(key) != Some(&Value::from("")) {
            return Err(Fault::bad(format!(
                "{key} is not served by this development cloud: it has no such service"
            )));
        }
    }
    match fields.get("group_id") {
        Some(Value::String(group)) if call.version >= Microversion::GROUPS && !group.is_empty() => {
            Err(Fault::not_found(format!("Group {group} could not be found.")))
        }
        _ => Ok(()),
    }
}

/// `None`: no such key. `Some(None)`: null.
pub(super) fn text(fields: &Map<String, Value>, keys: &[&str]) -> Result<Option<Option<String>>, Fault> {
    for key in keys {
        match fields.get(*key) {
            None => {}
            Some(Value::Null) => return Ok(Some(None)),
            Some(Value::String(text)) if text.trim().chars().count() <= TEXT => {
                return Ok(Some(Some(text.trim().to_owned())));
            }
            Some(other) => {
                return Err(Fault::field(key, other, "It must be a string of at most 255 characters"));
            }
        }
    }
    Ok(None)
}

/// Keys and values of a body.
pub(super) fn metadata(value: &Value) -> Result<Metadata, Fault> {
    let Value::Object(entries) = value else {
        return Err(Fault::field("metadata", value, "It is not of type 'object'"));
    };
    let mut metadata = Metadata::new();
    for (key, value) in entries {
        let key_fits = !key.is_empty() && key.chars().count() <= TEXT;
        match value {
            Value::String(text) if key_fits && text.chars().count() <= TEXT => {
                metadata.insert(key.clone(), text.clone());
            }
            _ => {
                let why = "Keys have 1 to 255 characters, values are strings of at most 255 characters";
                return Err(Fault::field(&format!("metadata.{key}"), value, why));
            }
        }
    }
    Ok(metadata)
}

fn uuid<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Fault> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if uuid::Uuid::parse_str(text).is_ok() => Ok(Some(text)),
        Some(other) => Err(Fault::field(key, other, "It is not a 'uuid'")),
    }
}

fn source(call: &Call, state: &State, fields: &Map<String, Value>) -> Result<Source, Fault> {
    let snapshot_id = uuid(fields, "snapshot_id")?;
    let source_volid = uuid(fields, "source_volid")?;
    let mut source = Source {
        snapshot_id: snapshot_id.map(str::to_owned),
        source_volid: source_volid.map(str::to_owned),
        size: None,
        type_id: None,
        bootable: false,
    };
    let origin = match (snapshot_id, source_volid) {
        (None, None) => return Ok(source),
        (Some(_), Some(_)) => {
            return Err(Fault::bad("May specify only one of snapshot, imageRef or source volume"));
        }
        (Some(id), None) => {
            let snapshot = state.snapshot(&call.caller, id)?;
            if snapshot.status != SnapshotStatus::Available {
                return Err(Fault::bad(format!("Invalid snapshot: Snapshot {id} must be available.")));
            }
            source.size = Some(snapshot.size);
            state.volumes.get(&snapshot.volume_id)
        }
        (None, Some(id)) => {
            let volume = state.volume(&call.caller, id)?;
            if !matches!(volume.status, VolumeStatus::Available | VolumeStatus::InUse) {
                return Err(Fault::invalid_volume(format!(
                    "Volume {id} must be available or in-use to be cloned."
                )));
            }
            source.size = Some(volume.size);
            Some(volume)
        }
    };
    if let Some(origin) = origin {
        source.type_id = Some(origin.type_id.clone());
        source.bootable = origin.bootable;
    }
    Ok(source)
}

fn size(fields: &Map<String, Value>, source: &Source) -> Result<u64, Fault> {
    let wrong = |value: &Value| {
        Fault::bad(format!(
            "Invalid input received: Invalid volume size provided for create request: {value} (size argument must be \
             an integer (or string representation of an integer) and greater than zero)."
        ))
    };
    let size = match (fields.get("size"), source.size) {
        (None | Some(Value::Null), Some(size)) => size,
        (None, None) => return Err(wrong(&Value::Null)),
        (Some(value), _) => gib(value).ok_or_else(|| wrong(value))?,
    };
    match source.size {
        Some(least) if size < least => Err(Fault::bad(format!(
            "Invalid input received: Volume size '{size}'GB cannot be smaller than the source's size {least}GB. They \
             must be >= the original size."
        ))),
        _ => Ok(size),
    }
}

/// A positive number of GiB, also as a string.
pub(super) fn gib(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    number.filter(|size| (1..=MAX_SIZE).contains(size))
}

fn volume_type<'a>(
    state: &'a State,
    fields: &Map<String, Value>,
    source: &Source,
) -> Result<&'a VolumeType, Fault> {
    let wanted = match fields.get("volume_type") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()).filter(|name| !name.is_empty()),
        Some(other) => return Err(Fault::field("volume_type", other, "It is not of type 'string', 'null'")),
    };
    let name = wanted.or(source.type_id.as_deref()).unwrap_or("default");
    state
        .volume_type(name)
        .ok_or_else(|| Fault::not_found(format!("Volume type with name {name} could not be found.")))
}

fn zone(cinder: &Cinder, fields: &Map<String, Value>) -> Result<String, Fault> {
    let zones = &cinder.options.zones;
    match fields.get("availability_zone") {
        None | Some(Value::Null) => Ok(zones.first().cloned().unwrap_or_else(|| "nova".into())),
        Some(Value::String(zone)) if zones.contains(zone) => Ok(zone.clone()),
        Some(Value::String(zone)) => {
            Err(Fault::bad(format!("Invalid input received: Availability zone '{zone}' is invalid.")))
        }
        Some(other) => Err(Fault::field("availability_zone", other, "It is not of type 'string', 'null'")),
    }
}
