//! `/shares/{id}/export_locations`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::Manila;
use super::call::{Answer, Call, answer};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{Export, new_id};
use super::views;
use crate::clock::naive_now;

/// The paths a share is mounted from when nothing on this machine exports it: one per address, the first one
/// preferred, and one that only administrators see. `CephFS` names all its monitors in one path.
pub(super) fn modelled(protocol: &str, share_id: &str, hosts: &[String]) -> Vec<Export> {
    let bracketed = |host: &String| if host.contains(':') { format!("[{host}]") } else { host.clone() };
    if protocol == "CEPHFS" {
        let monitors: Vec<_> = hosts.iter().map(|host| format!("{}:6789", bracketed(host))).collect();
        return vec![export(format!("{}:/volumes/_nogroup/{share_id}", monitors.join(",")), true, false)];
    }
    let path = |host: &String| match protocol {
        "CIFS" => format!(r"\\{host}\share_{}", share_id.replace('-', "_")),
        "GLUSTERFS" => format!("{host}:/share-{share_id}"),
        _ => format!("{}:/shares/share-{share_id}", bracketed(host)),
    };
    let mut exports: Vec<_> =
        hosts.iter().enumerate().map(|(index, host)| export(path(host), index == 0, false)).collect();
    exports.extend(hosts.first().map(|host| export(format!("{}-admin", path(host)), false, true)));
    exports
}

/// Paths from whoever really exports the share, best one first.
pub(super) fn real(paths: Vec<String>) -> Vec<Export> {
    paths.into_iter().enumerate().map(|(index, path)| export(path, index == 0, false)).collect()
}

fn export(path: String, preferred: bool, is_admin_only: bool) -> Export {
    Export { id: new_id(), path, preferred, is_admin_only, created_at: naive_now() }
}

pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::EXPORTS)?;
    manila.read(|state| {
        let share = state.share(&call.caller, call.id())?;
        let seen = share.exports.iter().filter(|export| call.caller.is_admin || !export.is_admin_only);
        let rows: Vec<Value> = seen.map(|export| views::export(&call, share, export)).collect();
        answer(StatusCode::OK, json!({"export_locations": rows}))
    })
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::EXPORTS)?;
    let id = call.param("location");
    manila.read(|state| {
        let share = state.share(&call.caller, call.id())?;
        let found = share.exports.iter().find(|export| export.id == id);
        let export = found.ok_or_else(|| Fault::absent("Export location", id))?;
        if export.is_admin_only && !call.caller.is_admin {
            return Err(Fault::forbidden("Access was denied to this resource."));
        }
        let mut view = views::export(&call, share, export);
        if let Some(fields) = view.as_object_mut() {
            fields.insert("created_at".into(), json!(export.created_at));
            fields.insert("updated_at".into(), Value::Null);
        }
        answer(StatusCode::OK, json!({"export_location": view}))
    })
}

impl Manila {
    /// Lets a share be exported from another address from now on, with new locations. An error if there is no such share
    /// or who really exports it cannot.
    pub(crate) async fn move_share(&self, id: &str, host: &str) -> Result<(), String> {
        let absent = || format!("there is no share {id}");
        let _turn = self.back_end.lock().await;
        let share = self.read(|state| state.shares.get(id).cloned()).ok_or_else(absent)?;
        let exports = self.exports_at(&share, host).await.map_err(|error| error.to_string())?;
        self.write(|state| {
            state.shares.get_mut(id).ok_or_else(absent)?.exports = exports;
            Ok(())
        })
    }
}
