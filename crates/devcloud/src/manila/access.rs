//! Rules that let somebody use a share: the actions `allow_access` and `deny_access`, and `/share-access-rules`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Answer, Call, answer, empty};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::{Metadata, Rule, RuleState, Share, ShareStatus, new_id};
use super::{Manila, access_check, metadata, share_filters, views};
use crate::clock::naive_now;

pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::RULES)?;
    let id = call.query("share_id").ok_or_else(|| Fault::bad("The query must name a 'share_id'."))?;
    // A share that is not there is a bad request here, not a missing resource.
    manila
        .read(|state| state.share(&call.caller, id).map(|_| ()))
        .map_err(|fault| Fault::bad(fault.message))?;
    list_of(&manila, &call, id)
}

/// The rules of a share, which the caller may see.
pub(super) fn list_of(manila: &Manila, call: &Call, share_id: &str) -> Answer {
    let wanted =
        call.query("metadata").map(|text| share_filters::dictionary("metadata", text)).transpose()?;
    let rows: Vec<Value> = manila.read(|state| {
        let rules = state.rules_of(share_id).into_iter();
        let fits = |rule: &&Rule| wanted.as_ref().is_none_or(|w| share_filters::has_all(&rule.metadata, w));
        rules.filter(fits).map(|rule| views::rule_summary(call, state, rule)).collect()
    });
    answer(StatusCode::OK, json!({"access_list": rows}))
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::RULES)?;
    manila.read(|state| {
        let rule = state.rule(&call.caller, call.id())?;
        answer(StatusCode::OK, json!({"access": views::rule(&call, state, rule)}))
    })
}

/// 400 while something is done to the share, or it never came to be.
fn usable(share: &Share) -> Result<(), Fault> {
    if share.is_in_transition() || share.status == ShareStatus::Error {
        return Err(Fault::invalid_share(format!(
            "access rules cannot change while share {} is {}",
            share.id,
            share.status.as_str()
        )));
    }
    Ok(())
}

/// 200: the rule is only ordered.
pub(super) fn allow(manila: &Arc<Manila>, call: &Call, arguments: &Map<String, Value>) -> Answer {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let access_type = text("access_type").unwrap_or_default();
    let access_to = text("access_to").unwrap_or_default();
    let metadata = match arguments.get("metadata") {
        None | Some(Value::Null) => Metadata::new(),
        Some(_) if call.version < Microversion::RULES => Metadata::new(),
        Some(value) => metadata::read(value)?,
    };
    access_check::form(call.version, access_type, access_to)?;
    let access_level = match arguments.get("access_level") {
        None | Some(Value::Null) => "rw",
        Some(Value::String(level)) if level == "rw" || level == "ro" => level,
        Some(other) => {
            return Err(Fault::bad(format!("Invalid access rule: there is no access level {other}")));
        }
    };
    let (id, view) = manila.write(|state| {
        state.own_share(&call.caller, call.id())?;
        if call.version < Microversion::RULE_STATES && state.rules_status(call.id()) == "error" {
            return Err(Fault::bad("A rule of the share is in error; deny it before adding others."));
        }
        let same =
            |rule: &&Rule| access_check::same(access_type, access_to, &rule.access_type, &rule.access_to);
        if state.rules_of(call.id()).iter().any(same) {
            return Err(Fault::bad(format!("Share access {access_type}:{access_to} exists.")));
        }
        usable(state.share(&call.caller, call.id())?)?;
        let rule = Rule {
            id: new_id(),
            serial: state.next_serial(),
            share_id: call.id().to_owned(),
            access_type: access_type.to_owned(),
            access_to: access_to.to_owned(),
            access_level: access_level.to_owned(),
            state: RuleState::QueuedToApply,
            access_key: None,
            metadata,
            created_at: naive_now(),
            updated_at: None,
        };
        let id = rule.id.clone();
        state.share_rules.insert(id.clone(), rule.clone());
        Ok((id, views::rule(call, state, &rule)))
    })?;
    manila.follow_rule(id, call.request_id.clone());
    answer(StatusCode::OK, json!({"access": view}))
}

pub(super) fn deny(manila: &Arc<Manila>, call: &Call, arguments: &Map<String, Value>) -> Answer {
    let id = arguments.get("access_id").and_then(Value::as_str).unwrap_or_default();
    manila.write(|state| {
        let share = state.own_share(&call.caller, call.id())?.clone();
        let rule = state.share_rules.get_mut(id).filter(|rule| rule.share_id == share.id);
        let rule = rule.ok_or_else(|| Fault::absent("Share access rule", id))?;
        usable(&share)?;
        rule.state = RuleState::QueuedToDeny;
        rule.updated_at = Some(naive_now());
        Ok::<_, Fault>(())
    })?;
    manila.follow_rule(id.to_owned(), call.request_id.clone());
    empty(StatusCode::ACCEPTED)
}
