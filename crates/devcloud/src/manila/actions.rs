//! `POST /shares/{id}/action`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value};

use super::call::{Answer, Body, Call, empty};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::ShareStatus;
use super::shares::refuse_snapshots;
use super::{Manila, access, new_share, quotas};

pub(super) async fn act(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let mut entries = body.0.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err(Fault::bad("Malformed request body"));
    };
    let none = Map::new();
    let arguments = match value {
        Value::Object(arguments) => arguments,
        Value::Null => &none,
        _ => return Err(Fault::bad("Malformed request body")),
    };
    let unknown = || Fault::bad(format!("There is no such action: {name}"));
    let plain = match (name.strip_prefix("os-"), call.version < Microversion::PLAIN_NAMES) {
        (Some(plain), true) => plain,
        (None, false) => name.as_str(),
        _ => return Err(unknown()),
    };
    manila.read(|state| state.share(&call.caller, call.id()).map(|_| ()))?;
    match plain {
        "allow_access" => access::allow(&manila, &call, arguments),
        "deny_access" => access::deny(&manila, &call, arguments),
        "access_list" if call.version < Microversion::RULES => access::list_of(&manila, &call, call.id()),
        // Served, but no longer at this version.
        "access_list" => Err(Fault::no_such_path()),
        "extend" => extend(&manila, &call, arguments),
        "reset_status" => reset_status(&manila, &call, arguments),
        "force_delete" => force_delete(&manila, &call),
        _ => Err(unknown()),
    }
}

fn extend(manila: &Arc<Manila>, call: &Call, arguments: &Map<String, Value>) -> Answer {
    let wanted = arguments.get("new_size").unwrap_or(&Value::Null);
    let size =
        new_share::gib(wanted).ok_or_else(|| Fault::bad("The new size of the share must be an integer."))?;
    let id = call.id();
    manila.write(|state| {
        let share = state.own_share(&call.caller, id)?;
        if share.status != ShareStatus::Available {
            return Err(Fault::invalid_share(format!(
                "Share {id} must be 'available' to be extended, but it is {}",
                share.status.as_str()
            )));
        }
        if size <= share.size {
            return Err(Fault::invalid_input(format!(
                "the new size must be above the present one (present: {}, new: {size})",
                share.size
            )));
        }
        let (project, now) = (share.project_id.clone(), share.size);
        quotas::check_extend(manila, state, &project, now, size)?;
        state.own_share(&call.caller, id)?.status = ShareStatus::Extending;
        Ok(())
    })?;
    manila.finish_extend(id.to_owned(), size, call.request_id.clone());
    empty(StatusCode::ACCEPTED)
}

/// An administrator's word about what the share is; nothing is done to it.
fn reset_status(manila: &Manila, call: &Call, arguments: &Map<String, Value>) -> Answer {
    call.needs_admin("share:reset_status")?;
    let value = arguments.get("status").or_else(|| arguments.get("os-status")).unwrap_or(&Value::Null);
    let status: ShareStatus = serde_json::from_value(value.clone())
        .map_err(|_| Fault::bad(format!("Invalid state {value} for the status of a share.")))?;
    manila.write(|state| {
        state.own_share(&call.caller, call.id())?.status = status;
        empty(StatusCode::ACCEPTED)
    })
}

fn force_delete(manila: &Arc<Manila>, call: &Call) -> Answer {
    call.needs_admin("share:force_delete")?;
    manila.write(|state| {
        refuse_snapshots(state, call.id())?;
        state.own_share(&call.caller, call.id())?.status = ShareStatus::Deleting;
        Ok::<_, Fault>(())
    })?;
    manila.finish_delete(call.id().to_owned(), call.request_id.clone());
    empty(StatusCode::ACCEPTED)
}
