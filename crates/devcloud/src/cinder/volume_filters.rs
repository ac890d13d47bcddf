//! Which volumes a list request asks for.

use serde_json::{Map, Value};

use super::call::{Call, bool_of};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{State, Volume};
use crate::python_literal;

/// Query parameters that are not filters.
const CONTROLS: [&str; 9] =
    ["all_tenants", "limit", "marker", "offset", "sort", "sort_key", "sort_dir", "with_count", "project_id"];
/// What everybody may filter by.
const FILTERS: [&str; 10] = [
    "name",
    "status",
    "metadata",
    "bootable",
    "migration_status",
    "availability_zone",
    "group_id",
    "size",
    "created_at",
    "updated_at",
];

/// The volumes of the caller's project (or of all) that match the query.
pub(super) fn select<'a>(call: &Call, state: &'a State) -> Result<Vec<&'a Volume>, Fault> {
    let all = call.all_projects()?;
    let project = call.query("project_id").filter(|_| all);
    let filters = filters(call)?;
    let mut found = Vec::new();
    for volume in state.volumes.values() {
        let in_scope = if all {
            project.is_none_or(|project| project == volume.project_id)
        } else {
            volume.project_id == call.caller.project_id
        };
        if in_scope && filters.iter().all(|(key, value)| matches(volume, key, value)) {
            found.push(volume);
        }
    }
    Ok(found)
}

fn filters(call: &Call) -> Result<Vec<(&str, &str)>, Fault> {
    let mut filters = Vec::new();
    let mut unknown = Vec::new();
    for (key, value) in &call.query {
        let like = call.version >= Microversion::LIKE_FILTERS && key == "name~";
        if CONTROLS.contains(&key.as_str()) {
            continue;
        } else if FILTERS.contains(&key.as_str()) || like || call.caller.is_admin {
            filters.push((key.as_str(), value.as_str()));
        } else {
            unknown.push(key.as_str());
        }
    }
    // Older versions overlook what they do not know.
    if !unknown.is_empty() && call.version >= Microversion::STRICT_FILTERS {
        return Err(Fault::bad(format!(
            "Invalid filters {} are found in query options.",
            unknown.join(", ")
        )));
    }
    Ok(filters)
}

fn matches(volume: &Volume, key: &str, wanted: &str) -> bool {
    match key {
        "name" => volume.name.as_deref() == Some(wanted),
        "name~" => volume.name.as_deref().is_some_and(|name| name.contains(wanted)),
        "status" => volume.status.as_str() == wanted,
        "metadata" => match python_literal::parse(wanted) {
            Some(Value::Object(wanted)) => has_metadata(volume, &wanted),
            // Not a dictionary: Cinder finds nothing.
            _ => false,
        },
        "bootable" => bool_of(wanted) == Some(volume.bootable),
        "availability_zone" => volume.availability_zone == wanted,
        "size" => wanted.parse() == Ok(volume.size),
        "created_at" => volume.created_at == wanted,
        "updated_at" => volume.updated_at.as_deref() == Some(wanted),
        "id" => volume.id == wanted,
        "volume_type_id" => volume.type_id == wanted,
        "multiattach" => bool_of(wanted) == Some(volume.multiattach),
        // No groups and no migrations here, and nothing has an attribute that does not exist.
        _ => false,
    }
}

fn has_metadata(volume: &Volume, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, value)| {
        let held = volume.metadata.get(key);
        match value {
            Value::String(text) => held == Some(text),
            other => held == Some(&other.to_string()),
        }
    })
}
