//! `/v2.0/security-groups`.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Cloud;
use super::attributes::{Attributes, created, updated};
use super::fault::Fault;
use super::resource::{self, answer, answer_created, changeable, if_match, render_ids};
use crate::caller::Caller;
use crate::model::Model;
use crate::model::security_group::SecurityGroup;

/// `GET`: makes the caller's default group appear first.
pub(crate) async fn list(
    state: State<Cloud>,
    caller: Extension<Caller>,
    query: RawQuery,
) -> Result<Response, Fault> {
    let project = &caller.project_id;
    let exists = state.read(|m| {
        m.security_groups.values().any(|g| g.standard.project_id == *project && g.standard.name == "default")
    });
    if !exists {
        state.write(|model| Ok(model.default_group(project)))?;
    }
    resource::list::<SecurityGroup>(state, caller, query).await
}

/// `POST`.
pub(crate) async fn create(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = created(&body, "security_group", "security_groups", caller.is_admin)?;
    let items = cloud
        .change(|model| {
            let ids = request
                .items
                .into_iter()
                .map(|item| add(model, &caller, item))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(render_ids::<SecurityGroup>(model, &caller, &ids))
        })
        .await?;
    Ok(answer_created::<SecurityGroup>(items, request.bulk))
}

fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
    let owner = item.owner(&caller.project_id)?;
    let name = item.text("name")?.unwrap_or_default();
    let description = item.text("description")?.unwrap_or_default();
    let stateful = item.boolean("stateful")?.unwrap_or(true);
    item.finish()?;
    model.default_group(&owner);
    if name == "default" {
        return Err(Fault::conflict(
            "SecurityGroupDefaultAlreadyExists",
            "Default security group already exists.",
        ));
    }
    if !model.has_room(&owner, "security_group") {
        return Err(Fault::over_quota("security_group"));
    }
    let id = model.add_group(&owner, &name, &description);
    if let Some(group) = model.security_groups.get_mut(&id) {
        group.stateful = stateful;
    }
    Ok(id)
}

/// `PUT`.
pub(crate) async fn update(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let mut item = updated(&body, "security_group", caller.is_admin)?;
    let guard = if_match(&headers)?;
    let mut items = cloud
        .change(|model| {
            let mut group = changeable::<SecurityGroup>(model, &caller, &id, "update", guard)?.clone();
            if let Some(name) = item.text("name")? {
                if group.standard.name == "default" && name != "default" {
                    return Err(Fault::conflict(
                        "SecurityGroupCannotUpdateDefault",
                        "Updating default security group not allowed.",
                    ));
                }
                group.standard.name = name;
            }
            if let Some(description) = item.text("description")? {
                group.standard.description = description;
            }
            if let Some(stateful) = item.boolean("stateful")? {
                group.stateful = stateful;
            }
            item.finish()?;
            group.standard.bump();
            model.security_groups.insert(id.clone(), group);
            Ok(render_ids::<SecurityGroup>(model, &caller, std::slice::from_ref(&id)))
        })
        .await?;
    Ok(answer::<SecurityGroup>(StatusCode::OK, items.pop().unwrap_or_default()))
}

/// `DELETE`: refused while a port has it; takes its rules, and others' rules that name it, along.
pub(crate) async fn delete(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guard = if_match(&headers)?;
    cloud
        .change(|model| {
            let group = changeable::<SecurityGroup>(model, &caller, &id, "delete", guard)?;
            if group.standard.name == "default" && !caller.is_admin {
                return Err(Fault::conflict(
                    "SecurityGroupCannotRemoveDefault",
                    "Insufficient rights for removing default security group.",
                ));
            }
            if model.ports.values().any(|p| p.security_groups.contains(&id)) {
                return Err(Fault::conflict("SecurityGroupInUse", format!("Security Group {id} in use.")));
            }
            model
                .security_group_rules
                .retain(|_, r| r.security_group_id != id && r.remote_group_id.as_ref() != Some(&id));
            model.security_groups.remove(&id);
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
