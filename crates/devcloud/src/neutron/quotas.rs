//! `/v2.0/quotas`.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Cloud;
use super::attributes::updated;
use super::fault::Fault;
use crate::caller::Caller;
use crate::model::Model;
use crate::model::quota::DEFAULTS;

fn allowed(caller: &Caller, project: &str, action: &str) -> Result<(), Fault> {
    let reads_own = action == "get" && caller.project_id == project;
    if caller.is_admin || reads_own { Ok(()) } else { Err(Fault::policy(&format!("{action}_quota"))) }
}

/// `GET quotas`: projects with limits of their own.
pub(crate) async fn list(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Fault> {
    allowed(&caller, "", "get")?;
    let all: Vec<Value> = cloud.read(|m| {
        let entry = |project: &String| {
            let mut limits = json!(m.limits(project));
            if let Some(map) = limits.as_object_mut() {
                map.insert("project_id".into(), project.clone().into());
                map.insert("tenant_id".into(), project.clone().into());
            }
            limits
        };
        m.quotas.keys().map(entry).collect()
    });
    Ok(Json(json!({"quotas": all})).into_response())
}

/// `GET quotas/{project}`.
pub(crate) async fn show(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
) -> Result<Response, Fault> {
    allowed(&caller, &project, "get")?;
    Ok(cloud.read(|m| Json(json!({"quota": m.limits(&project)}))).into_response())
}

/// `GET quotas/{project}/default`.
pub(crate) async fn defaults() -> Response {
    Json(json!({"quota": Model::default().limits("")})).into_response()
}

/// `GET quotas/{project}/details`.
pub(crate) async fn details(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
) -> Result<Response, Fault> {
    allowed(&caller, &project, "get")?;
    let details: Map<String, Value> = cloud.read(|m| {
        let entry = |(name, limit): (&'static str, i64)| {
            (name.to_owned(), json!({"limit": limit, "used": m.used(&project, name), "reserved": 0}))
        };
        m.limits(&project).into_iter().map(entry).collect()
    });
    Ok(Json(json!({"quota": details})).into_response())
}

/// `PUT quotas/{project}`.
pub(crate) async fn update(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    allowed(&caller, &project, "update")?;
    let mut item = updated(&body, "quota", caller.is_admin)?;
    let limits = cloud.write(|model| {
        let quota = model.quotas.entry(project.clone()).or_default();
        for (name, _) in DEFAULTS {
            if let Some(limit) = item.number::<i64>(name)? {
                quota.insert(name.into(), limit.max(-1));
            }
        }
        item.finish()?;
        Ok(model.limits(&project))
    })?;
    Ok(Json(json!({"quota": limits})).into_response())
}

/// `DELETE quotas/{project}`: back to the defaults.
pub(crate) async fn reset(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
) -> Result<Response, Fault> {
    allowed(&caller, &project, "delete")?;
    cloud.write(|model| {
        model.quotas.remove(&project);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
