//! What may stand in the body of a share's creation, and what becomes of it.

use serde_json::{Map, Value};

use super::Manila;
use super::call::{Body, Call, bool_field, text_field};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{Metadata, Share, ShareStatus, ShareType, Snapshot, SnapshotStatus, State, new_id};
use super::{metadata, quotas};
use crate::clock::naive_now;

/// Protocols it makes shares of.
const PROTOCOLS: [&str; 4] = ["NFS", "CIFS", "CEPHFS", "GLUSTERFS"];

/// A share in `creating`, not yet part of the state.
pub(super) fn build(manila: &Manila, call: &Call, state: &mut State, body: &Body) -> Result<Share, Fault> {
    let fields = body.inner("share")?;
    let is_public = bool_field(fields, "is_public")?;
    if is_public && !call.caller.is_admin {
        return Err(not_public());
    }
    let name = text_field(fields, &["name", "display_name"])?.flatten();
    let description = text_field(fields, &["description", "display_description"])?.flatten();
    let protocol = protocol(fields)?;
    let availability_zone = zone(manila, fields)?;
    let snapshot = snapshot(call, state, fields)?;
    let kind = share_type(state, fields, snapshot)?;
    let share_network_id = share_network(call, state, fields, kind, snapshot)?;
    let metadata = match fields.get("metadata") {
        None | Some(Value::Null) => Metadata::new(),
        Some(value) => metadata::read(value)?,
    };
    let size = size(fields, snapshot)?;
    let (type_id, snapshot_id) = (kind.id.clone(), snapshot.map(|snapshot| snapshot.id.clone()));
    quotas::check_share(manila, state, &call.caller.project_id, size)?;
    let status =
        if snapshot_id.is_some() { ShareStatus::CreatingFromSnapshot } else { ShareStatus::Creating };
    Ok(Share {
        id: new_id(),
        serial: state.next_serial(),
        project_id: call.caller.project_id.clone(),
        user_id: call.caller.user_id.clone(),
        name,
        description,
        size,
        protocol,
        status,
        is_public,
        metadata,
        type_id,
        share_network_id,
        availability_zone,
        snapshot_id,
        exports: Vec::new(),
        created_at: naive_now(),
    })
}

/// 403: only administrators make shares public.
pub(super) fn not_public() -> Fault {
    Fault::forbidden("This user may not set 'is_public' to True.")
}

fn optional<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Fault> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::invalid_input(format!("{key} is not a string"))),
    }
}

fn protocol(fields: &Map<String, Value>) -> Result<String, Fault> {
    let protocol = optional(fields, "share_proto")?.unwrap_or_default().to_uppercase();
    if PROTOCOLS.contains(&protocol.as_str()) {
        Ok(protocol)
    } else {
        Err(Fault::invalid_input(format!(
            "Share protocol '{protocol}' is unknown or not enabled. There are: {}",
            PROTOCOLS.join(", ")
        )))
    }
}

fn zone(manila: &Manila, fields: &Map<String, Value>) -> Result<String, Fault> {
    let zones = &manila.options.zones;
    match optional(fields, "availability_zone")? {
        None => Ok(zones.first().cloned().unwrap_or_else(|| "nova".into())),
        Some(zone) if zones.iter().any(|known| known == zone) => Ok(zone.to_owned()),
        Some(zone) => Err(Fault::absent("Availability zone", zone)),
    }
}

fn snapshot<'a>(
    call: &Call,
    state: &'a State,
    fields: &Map<String, Value>,
) -> Result<Option<&'a Snapshot>, Fault> {
    let Some(id) = optional(fields, "snapshot_id")? else { return Ok(None) };
    let snapshot = state.snapshot(&call.caller, id)?;
    let parent = state.shares.get(&snapshot.share_id).and_then(|share| state.share_types.get(&share.type_id));
    let can = parent.is_some_and(|kind| kind.has("create_share_from_snapshot_support"));
    if call.version >= Microversion::FROM_SNAPSHOT && !can {
        return Err(Fault::bad(format!(
            "Snapshot '{id}' cannot become a share: its share's type does not allow it."
        )));
    }
    if snapshot.status != SnapshotStatus::Available {
        return Err(Fault::bad("Invalid share snapshot: status must be 'available'."));
    }
    Ok(Some(snapshot))
}

fn share_type<'a>(
    state: &'a State,
    fields: &Map<String, Value>,
    snapshot: Option<&Snapshot>,
) -> Result<&'a ShareType, Fault> {
    let asked = match (optional(fields, "share_type")?, optional(fields, "volume_type")?) {
        (Some(_), Some(_)) => return Err(Fault::bad("Cannot specify both share_type and volume_type")),
        (kind, other) => kind.or(other),
    };
    let missing = || Fault::not_found("Share type not found.");
    let kind = asked.map(|name| state.share_type(name).ok_or_else(missing)).transpose()?;
    let parent = snapshot.and_then(|snapshot| state.shares.get(&snapshot.share_id));
    match (kind, parent) {
        (Some(kind), Some(parent)) if kind.id != parent.type_id => {
            Err(Fault::invalid_input("a share from a snapshot has the type of the snapshot's share"))
        }
        (Some(kind), _) => Ok(kind),
        (None, Some(parent)) => state.share_types.get(&parent.type_id).ok_or_else(missing),
        (None, None) => state.share_type(super::share_types::DEFAULT).ok_or_else(missing),
    }
}

/// A type that does not handle servers refuses a network only later, when it is to make the share.
fn share_network(
    call: &Call,
    state: &State,
    fields: &Map<String, Value>,
    kind: &ShareType,
    snapshot: Option<&Snapshot>,
) -> Result<Option<String>, Fault> {
    let parent = snapshot.and_then(|snapshot| state.shares.get(&snapshot.share_id));
    let parents = parent.and_then(|share| share.share_network_id.clone());
    match optional(fields, "share_network_id")? {
        Some(id) if parent.is_some() && parents.as_deref() != Some(id) => {
            Err(Fault::bad("Share network ID should be that of the snapshot's share, or none"))
        }
        Some(id) => match state.share_networks.get(id) {
            Some(network) if super::model::owns(&call.caller, &network.project_id) => Ok(Some(id.to_owned())),
            _ => Err(Fault::absent("Share network", id)),
        },
        None if parent.is_some() => Ok(parents),
        None if kind.handles_servers() => Err(Fault::bad(
            "A share network must be given: the share type has driver_handles_share_servers set to true.",
        )),
        None => Ok(None),
    }
}

fn size(fields: &Map<String, Value>, snapshot: Option<&Snapshot>) -> Result<u64, Fault> {
    let least = snapshot.map(|snapshot| snapshot.size);
    let size = match (fields.get("size"), least) {
        (None | Some(Value::Null), Some(size)) => size,
        (value, _) => {
            let value = value.unwrap_or(&Value::Null);
            gib(value).ok_or_else(|| {
                Fault::invalid_input(format!("Share size '{value}' must be an integer and greater than 0"))
            })?
        }
    };
    match least {
        Some(least) if size < least => Err(Fault::invalid_input(format!(
            "Share size '{size}' must not be below the snapshot's, {least}"
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
    number.filter(|size| (1..=0x7FFF_FFFF).contains(size))
}
