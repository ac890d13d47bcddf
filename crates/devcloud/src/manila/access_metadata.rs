//! `/share-access-rules/{id}/metadata`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::json;

use super::Manila;
use super::call::{Answer, Body, Call, answer, empty};
use super::fault::Fault;
use super::metadata;
use super::microversion::Microversion;
use super::model::{Rule, State};

fn own_rule<'a>(state: &'a mut State, call: &Call) -> Result<&'a mut Rule, Fault> {
    let share = state.rule(&call.caller, call.id())?.share_id.clone();
    state.own_share(&call.caller, &share)?;
    state.share_rules.get_mut(call.id()).ok_or_else(|| Fault::absent("Share access rule", call.id()))
}

/// `PUT`, although keys not named stay.
pub(super) async fn merge(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    call.needs(Microversion::RULES)?;
    let new = metadata::of_body(&body)?;
    manila.write(|state| {
        let rule = own_rule(state, &call)?;
        rule.metadata.extend(new);
        answer(StatusCode::OK, json!({"metadata": rule.metadata}))
    })
}

pub(super) async fn delete_key(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::RULES)?;
    let key = call.param("key");
    manila.write(|state| {
        let rule = own_rule(state, &call)?;
        let missing = || Fault::not_found(format!("Metadata item {key} was not found"));
        rule.metadata.remove(key).ok_or_else(missing)?;
        empty(StatusCode::OK)
    })
}
