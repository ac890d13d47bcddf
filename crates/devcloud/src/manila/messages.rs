//! `/messages`: what users are told about failures.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Value, json};

use super::Manila;
use super::call::{Answer, Call, answer, empty};
use super::fault::Fault;
use super::listing::{Listed, page};
use super::microversion::Microversion;
use super::model::{Message, State, new_id, owns};
use super::views::links;
use crate::clock::naive_now;

/// What was being done. The numbers are Manila's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    AllocateHost,
    Create,
    Delete,
    Extend,
    UpdateAccessRules,
}

impl Action {
    fn id(self) -> &'static str {
        match self {
            Self::AllocateHost => "001",
            Self::Create => "002",
            Self::Delete => "007",
            Self::Extend => "008",
            Self::UpdateAccessRules => "010",
        }
    }
}

/// Why it failed. The numbers are Manila's.
pub(super) const UNKNOWN: &str = "001";
pub(super) const NO_VALID_HOST: &str = "002";
pub(super) const UNEXPECTED_NETWORK: &str = "003";
pub(super) const EXTEND_FAILED: &str = "015";
pub(super) const FORBIDDEN_CLIENT: &str = "020";
pub(super) const UNSUPPORTED_CLIENT: &str = "021";

fn action_text(id: &str) -> &'static str {
    match id {
        "001" => "allocate host",
        "002" => "create",
        "007" => "delete",
        "008" => "extend",
        "010" => "update access rules",
        _ => "unknown action",
    }
}

fn detail_text(id: &str) -> &'static str {
    match id {
        NO_VALID_HOST => "No storage has room for this share. Another size or share type may have.",
        UNEXPECTED_NETWORK => "The storage of this share type takes no share network, but one was given.",
        EXTEND_FAILED => {
            "The storage could not extend the share. It is in extending_error; ask the administrator."
        }
        FORBIDDEN_CLIENT => {
            "The storage does not let this client in. Another client identifier may be let in."
        }
        UNSUPPORTED_CLIENT => {
            "The storage does not know this access type or level. Another type or level may work."
        }
        _ => "An unknown error occurred.",
    }
}

impl State {
    /// Tells the owner of a share about a failure.
    pub(super) fn tell(&mut self, share_id: &str, action: Action, detail: &str, request_id: &str) {
        tracing::debug!(
            share = share_id,
            ?action,
            detail,
            request_id,
            "a share's owner is told of a failure"
        );
        let Some(project_id) = self.shares.get(share_id).map(|share| share.project_id.clone()) else {
            return;
        };
        let message = Message {
            id: new_id(),
            serial: self.next_serial(),
            project_id,
            resource_type: "SHARE".into(),
            resource_id: share_id.into(),
            action_id: action.id().into(),
            detail_id: detail.into(),
            request_id: request_id.into(),
            created_at: naive_now(),
        };
        self.share_messages.insert(message.id.clone(), message);
    }

    fn message(&self, call: &Call) -> Result<&Message, Fault> {
        let found = self.share_messages.get(call.id()).filter(|m| owns(&call.caller, &m.project_id));
        found.ok_or_else(|| Fault::absent("Message", call.id()))
    }
}

impl Listed for Message {
    fn id(&self) -> &str {
        &self.id
    }

    fn serial(&self) -> u64 {
        self.serial
    }

    fn sort_value(&self, key: &str) -> Option<String> {
        Some(match key {
            "created_at" | "expires_at" => self.created_at.clone(),
            "id" => self.id.clone(),
            _ => self.field(key)?.to_owned(),
        })
    }
}

impl Message {
    fn field(&self, key: &str) -> Option<&str> {
        Some(match key {
            "project_id" => &self.project_id,
            "resource_type" => &self.resource_type,
            "resource_id" => &self.resource_id,
            "action_id" => &self.action_id,
            "detail_id" => &self.detail_id,
            "request_id" => &self.request_id,
            "message_level" => "ERROR",
            _ => return None,
        })
    }

    fn view(&self, call: &Call) -> Value {
        json!({
            "id": self.id,
            "project_id": self.project_id,
            "action_id": self.action_id,
            "detail_id": self.detail_id,
            "message_level": "ERROR",
            "created_at": self.created_at,
            "expires_at": null,
            "request_id": self.request_id,
            "links": links(call, "messages", &self.id),
            "resource_type": self.resource_type,
            "resource_id": self.resource_id,
            "user_message": format!("{}: {}", action_text(&self.action_id), detail_text(&self.detail_id)),
        })
    }
}

pub(super) async fn list(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::MESSAGES)?;
    manila.read(|state| {
        let found = state.share_messages.values().filter(|message| {
            message.project_id == call.caller.project_id
                && call.query.iter().all(|(key, wanted)| message.field(key).is_none_or(|held| held == wanted))
        });
        let page = page(&call, found.collect(), manila.options.max_limit, "messages")?;
        let rows = page.items.iter().map(|message| message.view(&call)).collect();
        answer(StatusCode::OK, Value::Object(page.body("messages", rows)))
    })
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::MESSAGES)?;
    let view = manila.read(|state| state.message(&call).map(|message| message.view(&call)))?;
    answer(StatusCode::OK, json!({"message": view}))
}

pub(super) async fn delete(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs(Microversion::MESSAGES)?;
    manila.write(|state| {
        state.message(&call)?;
        state.share_messages.remove(call.id());
        empty(StatusCode::NO_CONTENT)
    })
}
