//! Which shares a list request asks for.

use http::StatusCode;
use serde_json::{Map, Value};

use super::call::Call;
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{Metadata, Share, State};
use crate::python_literal;

/// The shares of the caller's project (or of all, or with public ones of others) that match the query. Unknown keys are
/// overlooked.
pub(super) fn select<'a>(call: &Call, state: &'a State) -> Result<Vec<&'a Share>, Fault> {
    let all = call.all_projects()?;
    let public = call.flag("is_public")?;
    let project = call.query("project_id").filter(|_| all);
    let metadata = call.query("metadata").map(|text| dictionary("metadata", text)).transpose()?;
    let specs = call.query("extra_specs").map(|text| dictionary("extra specs", text)).transpose()?;
    let mut found = Vec::new();
    for share in state.shares.values() {
        let in_scope = if all {
            project.is_none_or(|project| project == share.project_id)
        } else {
            share.project_id == call.caller.project_id || (public && share.is_public)
        };
        let has_specs = specs.as_ref().is_none_or(|wanted| {
            state.share_types.get(&share.type_id).is_some_and(|kind| has_all(&kind.extra_specs, wanted))
        });
        let has_metadata = metadata.as_ref().is_none_or(|wanted| has_all(&share.metadata, wanted));
        if in_scope && has_metadata && has_specs && fits(call, share) {
            found.push(share);
        }
    }
    Ok(found)
}

fn fits(call: &Call, share: &Share) -> bool {
    let like = call.version >= Microversion::LIKE_FILTERS;
    let by_export = call.version >= Microversion::EXPORT_FILTERS;
    call.query.iter().all(|(key, wanted)| {
        let wanted = wanted.as_str();
        let name = share.name.as_deref();
        match key.as_str() {
            "name" | "display_name" => name == Some(wanted),
            "name~" | "display_name~" if like => name.is_some_and(|name| name.contains(wanted)),
            "status" => share.status.as_str() == wanted,
            "share_type_id" => share.type_id == wanted,
            "snapshot_id" => share.snapshot_id.as_deref() == Some(wanted),
            "share_network_id" => share.share_network_id.as_deref() == Some(wanted),
            "export_location_id" if by_export => share.exports.iter().any(|export| export.id == wanted),
            "export_location_path" if by_export => share.exports.iter().any(|export| export.path == wanted),
            _ => true,
        }
    })
}

/// A filter written as a Python dictionary. What is no literal at all makes Manila stumble.
pub(super) fn dictionary(name: &str, text: &str) -> Result<Map<String, Value>, Fault> {
    match python_literal::parse(text) {
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(Fault::invalid_input(format!("{text} is no filter for {name}"))),
        None => {
            Err(Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "The server could not handle the request."))
        }
    }
}

/// Whether all these keys have these values.
pub(super) fn has_all(held: &Metadata, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, value)| {
        let held = held.get(key);
        match value {
            Value::String(text) => held == Some(text),
            other => held == Some(&other.to_string()),
        }
    })
}
