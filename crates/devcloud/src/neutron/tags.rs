//! `/v2.0/{segment}/{id}/tags`.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::Cloud;
use super::fault::Fault;
use super::resource::{Resource, changeable, visible};
use crate::caller::Caller;

/// Longest tag.
const LENGTH: usize = 255;

fn check_tag(tag: &str) -> Result<(), Fault> {
    if tag.is_empty() || tag.chars().count() > LENGTH {
        return Err(Fault::attribute("tags", format!("'{tag}' is not 1 to {LENGTH} characters long")));
    }
    if tag.contains(',') {
        return Err(Fault::attribute("tags", format!("'{tag}' contains a comma")));
    }
    Ok(())
}

/// Reads a list of tags from JSON, without doubles.
pub(crate) fn parse_tags(value: &Value) -> Result<Vec<String>, Fault> {
    let invalid = || Fault::attribute("tags", format!("'{value}' is not a list of strings"));
    let mut tags: Vec<String> = Vec::new();
    for tag in value.as_array().ok_or_else(invalid)? {
        let tag = tag.as_str().ok_or_else(invalid)?;
        check_tag(tag)?;
        if !tags.iter().any(|t| t == tag) {
            tags.push(tag.into());
        }
    }
    Ok(tags)
}

fn body_tags(body: &[u8]) -> Result<Vec<String>, Fault> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Fault::request("Invalid tags body"))?;
    parse_tags(value.get("tags").ok_or_else(|| Fault::request("Invalid tags body"))?)
}

fn missing(tag: &str) -> Fault {
    Fault::not_found("TagNotFound", format!("Tag {tag} could not be found."))
}

fn change<R: Resource>(
    cloud: &Cloud,
    caller: &Caller,
    id: &str,
    change: impl FnOnce(&mut Vec<String>) -> Result<(), Fault>,
) -> Result<Vec<String>, Fault> {
    cloud.write(|model| {
        changeable::<R>(model, caller, id, "update", None)?;
        let found = R::table_mut(model).get_mut(id).ok_or_else(|| R::not_found(id))?;
        let standard = found.standard_mut();
        let before = standard.tags.clone();
        change(&mut standard.tags)?;
        if standard.tags != before {
            standard.bump();
        }
        Ok(standard.tags.clone())
    })
}

/// `GET tags`.
pub(crate) async fn list<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let tags = cloud.read(|model| visible::<R>(model, &caller, &id).map(|r| r.standard().tags.clone()))?;
    Ok(axum::Json(json!({"tags": tags})).into_response())
}

/// `PUT tags`: replaces all.
pub(crate) async fn replace<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = body_tags(&body)?;
    let tags = change::<R>(&cloud, &caller, &id, |tags| {
        *tags = wanted;
        Ok(())
    })?;
    Ok(axum::Json(json!({"tags": tags})).into_response())
}

/// `POST tags`: adds several.
pub(crate) async fn add_many<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = body_tags(&body)?;
    let tags = change::<R>(&cloud, &caller, &id, |tags| {
        for tag in wanted {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(())
    })?;
    Ok((StatusCode::CREATED, axum::Json(json!({"tags": tags}))).into_response())
}

/// `DELETE tags`: removes all.
pub(crate) async fn clear<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    change::<R>(&cloud, &caller, &id, |tags| {
        tags.clear();
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET tags/{tag}`.
pub(crate) async fn check<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let has = cloud.read(|m| visible::<R>(m, &caller, &id).map(|r| r.standard().tags.contains(&tag)))?;
    if has { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(missing(&tag)) }
}

/// `PUT tags/{tag}`.
pub(crate) async fn add<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    check_tag(&tag)?;
    change::<R>(&cloud, &caller, &id, |tags| {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        Ok(())
    })?;
    Ok(StatusCode::CREATED.into_response())
}

/// `DELETE tags/{tag}`.
pub(crate) async fn remove<R: Resource>(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path((id, tag)): Path<(String, String)>,
) -> Result<Response, Fault> {
    change::<R>(&cloud, &caller, &id, |tags| {
        let at = tags.iter().position(|t| *t == tag).ok_or_else(|| missing(&tag))?;
        tags.remove(at);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
