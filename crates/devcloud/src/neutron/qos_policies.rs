//! `/v2.0/qos/policies` and their rules.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Cloud;
use super::attributes::{Attributes, created, updated};
use super::collection::Writable;
use super::fault::Fault;
use super::resource::{Resource, changeable, visible};
use crate::caller::Caller;
use crate::model::qos::{QosPolicy, QosRule};
use crate::model::standard::Standard;
use crate::model::{Model, Table};

/// A kind of rule: its segment, its name in a body, its type, its numbers.
struct Kind {
    segment: &'static str,
    singular: &'static str,
    name: &'static str,
    required: &'static str,
    optional: &'static [&'static str],
    has_direction: bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        segment: "bandwidth_limit_rules",
        singular: "bandwidth_limit_rule",
        name: "bandwidth_limit",
        required: "max_kbps",
        optional: &["max_burst_kbps"],
        has_direction: true,
    },
    Kind {
        segment: "dscp_marking_rules",
        singular: "dscp_marking_rule",
        name: "dscp_marking",
        required: "dscp_mark",
        optional: &[],
        has_direction: false,
    },
    Kind {
        segment: "minimum_bandwidth_rules",
        singular: "minimum_bandwidth_rule",
        name: "minimum_bandwidth",
        required: "min_kbps",
        optional: &[],
        has_direction: true,
    },
];

impl Resource for QosPolicy {
    const SINGULAR: &'static str = "policy";
    const PLURAL: &'static str = "policies";
    const SEGMENT: &'static str = "qos/policies";
    fn table(model: &Model) -> &Table<Self> {
        &model.qos_policies
    }
    fn table_mut(model: &mut Model) -> &mut Table<Self> {
        &mut model.qos_policies
    }
    fn standard(&self) -> &Standard {
        &self.standard
    }
    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.standard
    }
    fn not_found(id: &str) -> Fault {
        Fault::not_found("QosPolicyNotFound", format!("QoS policy {id} could not be found."))
    }
    fn is_visible(&self, _model: &Model, project: &str) -> bool {
        self.shared || self.standard.project_id == project
    }
}

impl Writable for QosPolicy {
    fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
        let owner = item.owner(&caller.project_id)?;
        if !caller.is_admin {
            return Err(Fault::policy("create_policy"));
        }
        let mut policy = Self {
            standard: Standard::new(&owner, String::new(), String::new()).made_at_once(),
            shared: false,
            is_default: false,
            rules: Vec::new(),
        };
        policy.change(model, caller, item)?;
        let id = policy.standard.id.clone();
        model.qos_policies.insert(id.clone(), policy);
        Ok(id)
    }

    fn change(&mut self, model: &Model, caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        if !caller.is_admin {
            return Err(Fault::policy("update_policy"));
        }
        item.write_names(&mut self.standard)?;
        if let Some(shared) = item.boolean("shared")? {
            self.shared = shared;
        }
        if let Some(is_default) = item.boolean("is_default")? {
            let project = &self.standard.project_id;
            let other = |p: &Self| p.is_default && p.standard.project_id == *project;
            let mut others = model.qos_policies.values().filter(|p| p.standard.id != self.standard.id);
            if is_default && others.any(other) {
                return Err(Fault::conflict(
                    "QoSPolicyDefaultAlreadyExists",
                    format!("A default QoS policy exists for project {project}."),
                ));
            }
            self.is_default = is_default;
            // Kept in a table of its own, so a change of it is one more even in a new policy.
            self.standard.revision_number += u64::from(is_default);
        }
        item.finish()
    }

    /// Refused while a network or a port has it.
    fn remove(&self, model: &mut Model, caller: &Caller) -> Result<(), Fault> {
        if !caller.is_admin {
            return Err(Fault::policy("delete_policy"));
        }
        let id = &self.standard.id;
        let has = |policy: &Option<String>| policy.as_ref() == Some(id);
        let network =
            model.networks.values().find(|n| has(&n.qos_policy_id)).map(|n| ("network", &n.standard.id));
        let port = model.ports.values().find(|p| has(&p.qos_policy_id)).map(|p| ("port", &p.standard.id));
        if let Some((kind, user)) = network.or(port) {
            return Err(Fault::conflict(
                "QosPolicyInUse",
                format!("QoS Policy {id} is used by {kind} {user}."),
            ));
        }
        model.qos_policies.remove(id);
        Ok(())
    }
}

/// Reads `qos_policy_id` of a network or port: absent, none, or a policy the caller sees.
pub(crate) fn chosen_policy(
    model: &Model,
    caller: &Caller,
    item: &mut Attributes,
) -> Result<Option<Option<String>>, Fault> {
    let Some(wanted) = item.nullable("qos_policy_id")? else { return Ok(None) };
    if let Some(id) = &wanted {
        if uuid::Uuid::parse_str(id).is_err() {
            return Err(Fault::attribute("qos_policy_id", format!("'{id}' is not a valid UUID")));
        }
        visible::<QosPolicy>(model, caller, id)?;
    }
    Ok(Some(wanted))
}

/// The routes of rules.
pub(crate) fn rules() -> Router<Cloud> {
    let one = "/qos/policies/{policy}/{kind}/{rule}";
    Router::new()
        .route("/qos/rule-types", get(rule_types))
        .route("/qos/policies/{policy}/{kind}", get(list).post(create))
        .route(one, get(show).put(update).delete(delete))
}

async fn rule_types() -> Response {
    let types: Vec<Value> = KINDS.iter().map(|kind| json!({"type": kind.name})).collect();
    Json(json!({"rule_types": types})).into_response()
}

fn kind_of(segment: &str) -> Result<&'static Kind, Fault> {
    KINDS
        .iter()
        .find(|kind| kind.segment == segment)
        .ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "HTTPNotFound", "The resource could not be found."))
}

fn missing(policy: &str, rule: &str) -> Fault {
    Fault::not_found("QosRuleNotFound", format!("QoS rule {rule} for policy {policy} could not be found."))
}

fn shown(rule: &QosRule, policy: &str) -> Value {
    let mut map = rule.values.clone();
    map.insert("id".into(), rule.id.clone().into());
    map.insert("qos_policy_id".into(), policy.into());
    Value::Object(map)
}

fn read(kind: &Kind, mut item: Attributes, values: &mut Map<String, Value>) -> Result<(), Fault> {
    for name in std::iter::once(&kind.required).chain(kind.optional) {
        if let Some(number) = item.number::<u32>(name)? {
            values.insert((*name).into(), number.into());
        }
    }
    if kind.has_direction
        && let Some(direction) = item.text("direction")?
    {
        if !matches!(direction.as_str(), "egress" | "ingress") {
            return Err(Fault::attribute(
                "direction",
                format!("'{direction}' is not in ['egress', 'ingress']"),
            ));
        }
        values.insert("direction".into(), direction.into());
    }
    item.finish()
}

type Who = (State<Cloud>, Extension<Caller>);

async fn list(
    (State(cloud), Extension(caller)): Who,
    Path((policy, kind)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let kind = kind_of(&kind)?;
    cloud.read(|model| {
        let found = visible::<QosPolicy>(model, &caller, &policy)?;
        let rules: Vec<Value> =
            found.rules.iter().filter(|r| r.kind == kind.name).map(|r| shown(r, &policy)).collect();
        Ok(Json(json!({kind.segment: rules})).into_response())
    })
}

async fn show(
    (State(cloud), Extension(caller)): Who,
    Path((policy, kind, rule)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let kind = kind_of(&kind)?;
    cloud.read(|model| {
        let found = visible::<QosPolicy>(model, &caller, &policy)?;
        let found = found.rules.iter().find(|r| r.id == rule && r.kind == kind.name);
        let found = found.ok_or_else(|| missing(&policy, &rule))?;
        Ok(Json(json!({kind.singular: shown(found, &policy)})).into_response())
    })
}

/// Changes a policy's rules; only administrators may.
fn change<T>(
    cloud: &Cloud,
    caller: &Caller,
    policy: &str,
    change: impl FnOnce(&mut Vec<QosRule>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    cloud.write(|model| {
        changeable::<QosPolicy>(model, caller, policy, "update", None)?;
        if !caller.is_admin {
            return Err(Fault::policy("update_policy"));
        }
        let found = model.qos_policies.get_mut(policy).ok_or_else(|| QosPolicy::not_found(policy))?;
        let done = change(&mut found.rules)?;
        found.standard.bump();
        Ok(done)
    })
}

async fn create(
    (State(cloud), Extension(caller)): Who,
    Path((policy, kind)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Fault> {
    let kind = kind_of(&kind)?;
    let request = created(&body, kind.singular, kind.segment, caller.is_admin)?;
    let item = request.items.into_iter().next().ok_or_else(|| Fault::request("Resource body required"))?;
    let mut values = Map::new();
    if kind.has_direction {
        values.insert("direction".into(), "egress".into());
    }
    for name in kind.optional {
        values.insert((*name).into(), 0.into());
    }
    read(kind, item, &mut values)?;
    if !values.contains_key(kind.required) {
        return Err(Fault::request(format!(
            "Failed to parse request. Required attribute '{}' not specified",
            kind.required
        )));
    }
    let rule = QosRule { id: uuid::Uuid::new_v4().to_string(), kind: kind.name.into(), values };
    let answer = shown(&rule, &policy);
    change(&cloud, &caller, &policy, |rules| {
        let twin =
            |r: &&QosRule| r.kind == rule.kind && r.values.get("direction") == rule.values.get("direction");
        if let Some(other) = rules.iter().find(twin) {
            return Err(Fault::conflict(
                "QoSRulesConflict",
                format!(
                    "Rule {} conflicts with rule {} which already exists in QoS Policy {policy}.",
                    rule.kind, other.id
                ),
            ));
        }
        rules.push(rule);
        Ok(())
    })?;
    Ok((StatusCode::CREATED, Json(json!({kind.singular: answer}))).into_response())
}

async fn update(
    (State(cloud), Extension(caller)): Who,
    Path((policy, kind, rule)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<Response, Fault> {
    let kind = kind_of(&kind)?;
    let item = updated(&body, kind.singular, caller.is_admin)?;
    let answer = change(&cloud, &caller, &policy, |rules| {
        let found = rules.iter_mut().find(|r| r.id == rule && r.kind == kind.name);
        let found = found.ok_or_else(|| missing(&policy, &rule))?;
        read(kind, item, &mut found.values)?;
        Ok(shown(found, &policy))
    })?;
    Ok(Json(json!({kind.singular: answer})).into_response())
}

async fn delete(
    (State(cloud), Extension(caller)): Who,
    Path((policy, kind, rule)): Path<(String, String, String)>,
) -> Result<StatusCode, Fault> {
    let kind = kind_of(&kind)?;
    change(&cloud, &caller, &policy, |rules| {
        let at = rules.iter().position(|r| r.id == rule && r.kind == kind.name);
        rules.remove(at.ok_or_else(|| missing(&policy, &rule))?);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}
