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
    Ok(())
}

/// Reads a list of tags from JSON, without doubles.
pub(crate) fn parse_tags(value: &Value) -> Result<Vec<String>, Fault> {
    let invalid = || Fault::attribute("tags", format!("'{value}' is not a list of strings"));
    let mut tags: Vec<String> = Vec::new();
    let none = || {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Fault::input(format!("'{text}' is not a list"))
    };
    for tag in value.as_array().ok_or_else(none)? {
        let tag = tag.as_str().ok_or_else(invalid)?;
        check_tag(tag)?;
        if tags.iter().any(|known| known == tag) {
            return Err(Fault::input(format!("Duplicate items in the list: '{tag}'")));
        }
        tags.push(tag.to_owned());
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

/// Whose tags a request is about, and who asks; `P` is the resource's id, with or without a tag.
type Target<P> = (State<Cloud>, Extension<Caller>, Path<P>);

fn read<R: Resource>(cloud: &Cloud, caller: &Caller, id: &str) -> Result<Vec<String>, Fault> {
    cloud.read(|model| visible::<R>(model, caller, id).map(|r| r.standard().tags.clone()))
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

fn add_missing(tags: &mut Vec<String>, tag: &str) {
    if !tags.iter().any(|known| known == tag) {
        tags.push(tag.into());
    }
}

fn answer(status: StatusCode, tags: &[String]) -> Response {
    (status, axum::Json(json!({"tags": tags}))).into_response()
}

/// `GET tags`.
pub(crate) async fn list<R: Resource>(
    (State(cloud), Extension(caller), Path(id)): Target<String>,
) -> Result<Response, Fault> {
    Ok(answer(StatusCode::OK, &read::<R>(&cloud, &caller, &id)?))
}

/// `PUT tags`: replaces all.
pub(crate) async fn replace<R: Resource>(
    (State(cloud), Extension(caller), Path(id)): Target<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = body_tags(&body)?;
    let replace = |tags: &mut Vec<String>| {
        *tags = wanted;
        Ok(())
    };
    Ok(answer(StatusCode::OK, &change::<R>(&cloud, &caller, &id, replace)?))
}

/// `POST tags`: adds several.
pub(crate) async fn add_many<R: Resource>(
    (State(cloud), Extension(caller), Path(id)): Target<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let wanted = body_tags(&body)?;
    let add = |tags: &mut Vec<String>| {
        wanted.iter().for_each(|tag| add_missing(tags, tag));
        Ok(())
    };
    Ok(answer(StatusCode::OK, &change::<R>(&cloud, &caller, &id, add)?))
}

/// `DELETE tags`: removes all.
pub(crate) async fn clear<R: Resource>(
    (State(cloud), Extension(caller), Path(id)): Target<String>,
) -> Result<StatusCode, Fault> {
    change::<R>(&cloud, &caller, &id, |tags| {
        tags.clear();
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET tags/{tag}`.
pub(crate) async fn check<R: Resource>(
    (State(cloud), Extension(caller), Path((id, tag))): Target<(String, String)>,
) -> Result<StatusCode, Fault> {
    let tags = read::<R>(&cloud, &caller, &id)?;
    if tags.contains(&tag) { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&tag)) }
}

/// `PUT tags/{tag}`.
pub(crate) async fn add<R: Resource>(
    (State(cloud), Extension(caller), Path((id, tag))): Target<(String, String)>,
) -> Result<StatusCode, Fault> {
    check_tag(&tag)?;
    change::<R>(&cloud, &caller, &id, |tags| {
        add_missing(tags, &tag);
        Ok(())
    })?;
    Ok(StatusCode::CREATED)
}

/// `DELETE tags/{tag}`.
pub(crate) async fn remove<R: Resource>(
    (State(cloud), Extension(caller), Path((id, tag))): Target<(String, String)>,
) -> Result<StatusCode, Fault> {
    change::<R>(&cloud, &caller, &id, |tags| {
        let at = tags.iter().position(|t| *t == tag).ok_or_else(|| missing(&tag))?;
        tags.remove(at);
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT)
}
