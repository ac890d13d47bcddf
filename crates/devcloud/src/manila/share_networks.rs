//! `/share-networks`, as much as types that ask for one need. No Neutron network stands behind them.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::call::{Answer, Body, Call, answer, empty, text_field};
use super::fault::Fault;
use super::model::{ShareNetwork, State, new_id, owns};
use super::{Manila, quotas};
use crate::clock::naive_now;

fn find<'a>(state: &'a State, call: &Call) -> Result<&'a ShareNetwork, Fault> {
    let found = state.share_networks.get(call.id()).filter(|network| owns(&call.caller, &network.project_id));
    found.ok_or_else(|| Fault::absent("Share network", call.id()))
}

fn view(network: &ShareNetwork) -> Value {
    json!({
        "id": network.id,
        "project_id": network.project_id,
        "name": network.name,
        "created_at": network.created_at,
        "status": "active",
        "share_network_subnets": [],
    })
}

pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let rows: Vec<Value> = manila.read(|state| {
        let own = state.share_networks.values().filter(|n| n.project_id == call.caller.project_id);
        own.map(view).collect()
    });
    answer(StatusCode::OK, json!({"share_networks": rows}))
}

pub(super) async fn create(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    let name = text_field(body.inner("share_network")?, &["name"])?.flatten();
    manila.write(|state| {
        quotas::check_network(&manila, state, &call.caller.project_id)?;
        let project_id = call.caller.project_id.clone();
        let network = ShareNetwork { id: new_id(), project_id, name, created_at: naive_now() };
        let view = view(&network);
        state.share_networks.insert(network.id.clone(), network);
        answer(StatusCode::OK, json!({"share_network": view}))
    })
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let view = manila.read(|state| find(state, &call).map(view))?;
    answer(StatusCode::OK, json!({"share_network": view}))
}

pub(super) async fn delete(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    manila.write(|state| {
        find(state, &call)?;
        if state.shares.values().any(|share| share.share_network_id.as_deref() == Some(call.id())) {
            return Err(Fault::new(StatusCode::CONFLICT, format!("Shares use share network {}.", call.id())));
        }
        state.share_networks.remove(call.id());
        empty(StatusCode::ACCEPTED)
    })
}
