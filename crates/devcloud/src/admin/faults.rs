//! Planned misbehaviour.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Shared, parse, refuse};

/// Where a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Before the service sees it.
    Before,
    /// After the service acted, before it answers.
    After,
}

/// What happens to a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Action {
    /// Waits this long first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    /// Answers with this status; the service sees nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Body of that answer; default: a fault in the service's own form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// Headers of that answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    /// Closes the connection; the service sees nothing.
    pub(crate) drop: bool,
    /// Closes the connection after the service acted.
    pub(crate) lose_answer: bool,
    /// Waits until released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<Phase>,
}

/// Which requests, and what happens to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Given out when the rule is added.
    #[serde(skip_deserializing)]
    id: u64,
    /// `identity`, `network`, `block-storage` or `shared-file-system`; any without.
    #[serde(default)]
    service: Option<String>,
    /// Any without.
    #[serde(default)]
    method: Option<String>,
    /// Matched against the whole path and against the path within the service; `*` stands for any characters.
    path: String,
    /// The first match that counts, from 1.
    #[serde(default = "one")]
    nth: u64,
    /// How many matches from there; 0: all.
    #[serde(default = "one")]
    count: u64,
    action: Action,
    /// How many requests matched so far.
    #[serde(skip_deserializing)]
    matched: u64,
}

fn one() -> u64 {
    1
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan(Mutex<(u64, Vec<Rule>)>);

impl FaultPlan {
    fn with<T>(&self, act: impl FnOnce(&mut (u64, Vec<Rule>)) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a request and tells what happens to it: the first rule whose turn it is decides.
    pub(crate) fn decide(&self, service: &str, method: &str, path: &str) -> Option<(u64, Action)> {
        self.with(|(_, rules)| {
            let mut decided = None;
            for rule in rules.iter_mut().filter(|rule| rule.matches(service, method, path)) {
                rule.matched += 1;
                let from = rule.nth.max(1);
                let turn = rule.matched >= from && (rule.count == 0 || rule.matched < from + rule.count);
                if turn && decided.is_none() {
                    decided = Some((rule.id, rule.action.clone()));
                }
            }
            decided
        })
    }

    fn clear(&self) {
        self.with(|(_, rules)| rules.clear());
    }
}

impl Rule {
    fn matches(&self, service: &str, method: &str, path: &str) -> bool {
        let wanted = match self.service.as_deref() {
            Some("volume" | "volumev3" | "cinder") => Some("block-storage"),
            Some("share" | "sharev2" | "manila") => Some("shared-file-system"),
            Some("neutron") => Some("network"),
            Some("keystone") => Some("identity"),
            other => other,
        };
        let within = path.get(1..).and_then(|p| p.find('/').and_then(|at| p.get(at..))).unwrap_or_default();
        wanted.is_none_or(|s| s == service)
            && self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && (glob(&self.path, path) || glob(&self.path, within))
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters, none included.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// `POST /admin/faults`.
pub(crate) async fn add(State(control): Shared, body: Bytes) -> Response {
    let mut rule: Rule = match parse(&body) {
        Ok(rule) => rule,
        Err(answer) => return *answer,
    };
    if let Some(status) = rule.action.status
        && (status > 599 || StatusCode::from_u16(status).is_err())
    {
        return refuse(StatusCode::BAD_REQUEST, format!("{status} is not a status"));
    }
    let id = control.faults.with(|(last, rules)| {
        *last += 1;
        rule.id = *last;
        rules.push(rule);
        *last
    });
    (StatusCode::CREATED, Json(json!({"id": id}))).into_response()
}

/// `GET /admin/faults`.
pub(crate) async fn list(State(control): Shared) -> Response {
    Json(json!({"faults": control.faults.with(|(_, rules)| rules.clone())})).into_response()
}

/// `DELETE /admin/faults`: also lets go whoever waits.
pub(crate) async fn clear(State(control): Shared) -> Response {
    control.faults.clear();
    control.holds.release_all();
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let table = [
            ("/v2.0/ports", "/v2.0/ports", true),
            ("/v2.0/ports", "/v2.0/ports/1", false),
            ("*/ports/*", "/networking/v2.0/ports/1", true),
            ("*/ports/*", "/networking/v2.0/ports", false),
            ("*/ports*", "/networking/v2.0/ports", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("*/volumes/*/action", "/volume/v3/p/volumes/1/action", true),
        ];
        for (pattern, text, fits) in table {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
