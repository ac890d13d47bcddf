//! What every collection under `/v2.0` does with a request: list, show, create, update, delete.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::attributes::{Attributes, created, updated};
use super::fault::Fault;
use super::query::Query;
use super::resource::{Resource, changeable, check_revision, if_match, render, visible};
use super::{Cloud, NeutronService};
use crate::caller::Caller;
use crate::model::Model;

/// A kind of resource that callers make, change and remove: what is its own about that.
pub(crate) trait Writable: Resource + Clone + PartialEq {
    /// Whether the data path has a say in what callers are told, because it may refuse a binding.
    const WIRED: bool = false;

    /// Makes one; gives its id.
    fn add(model: &mut Model, caller: &Caller, item: Attributes) -> Result<String, Fault>;

    /// Reads and checks new values into a copy that takes the place of the resource in the model. What differs then
    /// is a revision more, unless it counts itself.
    fn change(&mut self, model: &Model, caller: &Caller, item: Attributes) -> Result<(), Fault>;

    /// Makes the rest of the model fit after a change.
    fn follow_change(_model: &mut Model, _before: &Self) {}

    /// The revision that the answer to a change tells.
    fn answered_revision(&self, _before: &Self) -> u64 {
        self.standard().revision_number
    }

    /// Removes it and what goes with it, or tells why it must stay.
    fn remove(&self, model: &mut Model, caller: &Caller) -> Result<(), Fault>;
}

/// `GET /v2.0/{segment}`.
pub(crate) async fn list<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Fault> {
    let query = Query::parse(raw.as_deref())?;
    let url = format!("{}/networking/v2.0/{}", cloud.public_url, R::SEGMENT);
    cloud.read(|model| {
        let all: Vec<_> = R::table(model)
            .values()
            .filter(|r| caller.is_admin || r.is_visible(model, &caller.project_id))
            .map(|r| render(r, model, &caller))
            .collect();
        // Whether the caller may see an attribute does not matter for that.
        let everybody = Caller { is_admin: true, ..caller.clone() };
        let example = R::table(model).values().next().map(|r| render(r, model, &everybody));
        let known = |key: &str| example.as_ref().is_none_or(|item| item.contains_key(key));
        query.check_filters(|key| !R::NO_FILTERS.contains(&key) && known(key))?;
        let matching = all.iter().filter(|item| query.matches(item)).cloned().collect();
        let page = query.page(matching, &url, known, R::not_found)?;
        let mut body = Map::new();
        body.insert(R::PLURAL.into(), page.items.into_iter().map(Value::Object).collect());
        if !page.links.is_empty() {
            body.insert(format!("{}_links", R::PLURAL), page.links.into());
        }
        Ok(axum::Json(Value::Object(body)).into_response())
    })
}

/// `GET /v2.0/{segment}/{id}`.
pub(crate) async fn show<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Fault> {
    let query = Query::parse(raw.as_deref())?;
    cloud.read(|model| {
        let found = visible::<R>(model, &caller, &id)?;
        Ok(answer_one::<R>(StatusCode::OK, query.choose(render(found, model, &caller))))
    })
}

/// `POST /v2.0/{segment}`: one or many, all or none.
pub(crate) async fn create<R: Writable>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = created(&body, R::SINGULAR, R::PLURAL, caller.is_admin)?;
    let add =
        |model: &mut Model| request.items.into_iter().map(|item| R::add(model, &caller, item)).collect();
    let items = cloud.change_and_render::<R>(&caller, R::WIRED, add).await?;
    cloud.wake_dhcp_agents();
    Ok(answer_created::<R>(items, request.bulk))
}

/// `PUT /v2.0/{segment}/{id}`.
pub(crate) async fn update<R: Writable>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let item = updated(&body, R::SINGULAR, caller.is_admin)?;
    let guard = if_match(&headers)?;
    let mut lag = 0;
    let change = |model: &mut Model| {
        let before = changeable::<R>(model, &caller, &id, "update", None)?.clone();
        let mut resource = before.clone();
        resource.change(model, &caller, item)?;
        // Not before everything else holds: it is the database that looks.
        check_revision(&before, guard)?;
        let counted = resource.standard().revision_number != before.standard().revision_number;
        if !counted && resource != before {
            resource.standard_mut().bump();
        }
        lag = resource.standard().revision_number - resource.answered_revision(&before);
        R::table_mut(model).insert(id.clone(), resource);
        R::follow_change(model, &before);
        Ok(vec![id])
    };
    let mut items = cloud.change_and_render::<R>(&caller, R::WIRED, change).await?;
    cloud.wake_dhcp_agents();
    let mut item = items.pop().unwrap_or_default();
    if let Some(revision) = item.get_mut("revision_number").filter(|_| lag > 0) {
        *revision = revision.as_u64().unwrap_or_default().saturating_sub(lag).into();
    }
    Ok(answer_one::<R>(StatusCode::OK, item))
}

/// `DELETE /v2.0/{segment}/{id}`.
pub(crate) async fn delete<R: Writable>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guard = if_match(&headers)?;
    let remove = |model: &mut Model| {
        let resource = changeable::<R>(model, &caller, &id, "delete", guard)?.clone();
        resource.remove(model, &caller)
    };
    cloud.change(remove).await?;
    cloud.wake_dhcp_agents();
    Ok(StatusCode::NO_CONTENT.into_response())
}

impl NeutronService {
    /// Changes the model, makes the data path follow, and then answers.
    pub(crate) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Model) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let done = self.write(change)?;
        self.settle().await;
        Ok(done)
    }

    /// The same for a change that names resources: what the caller sees of them, as the change left them or, if
    /// `wired`, as the data path did.
    pub(crate) async fn change_and_render<R: Resource>(
        &self,
        caller: &Caller,
        wired: bool,
        change: impl FnOnce(&mut Model) -> Result<Vec<String>, Fault>,
    ) -> Result<Vec<Map<String, Value>>, Fault> {
        let render_all = |model: &Model, ids: &[String]| {
            ids.iter().filter_map(|id| R::table(model).get(id)).map(|r| render(r, model, caller)).collect()
        };
        let changed = |model: &mut Model| {
            let ids = change(model)?;
            Ok((render_all(model, &ids), ids))
        };
        let (items, ids) = self.change(changed).await?;
        Ok(if wired { self.read(|model| render_all(model, &ids)) } else { items })
    }
}

/// `{singular: {...}}` with a status.
fn answer_one<R: Resource>(status: StatusCode, item: Map<String, Value>) -> Response {
    let mut body = Map::new();
    body.insert(R::SINGULAR.into(), item.into());
    (status, axum::Json(Value::Object(body))).into_response()
}

/// The answer to a create.
pub(crate) fn answer_created<R: Resource>(items: Vec<Map<String, Value>>, bulk: bool) -> Response {
    if !bulk {
        return answer_one::<R>(StatusCode::CREATED, items.into_iter().next().unwrap_or_default());
    }
    let mut body = Map::new();
    body.insert(R::PLURAL.into(), items.into_iter().map(Value::Object).collect());
    (StatusCode::CREATED, axum::Json(Value::Object(body))).into_response()
}
