//! `/v2.0/security-groups`.

use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;

use super::Cloud;
use super::attributes::Attributes;
use super::collection::{self, Writable};
use super::fault::Fault;
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
    collection::list::<SecurityGroup>(state, caller, query).await
}

impl Writable for SecurityGroup {
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

    fn change(&mut self, _model: &Model, _caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        if let Some(name) = item.text("name")? {
            if self.standard.name == "default" && name != "default" {
                return Err(Fault::conflict(
                    "SecurityGroupCannotUpdateDefault",
                    "Updating default security group not allowed.",
                ));
            }
            self.standard.name = name;
        }
        if let Some(description) = item.text("description")? {
            self.standard.description = description;
        }
        if let Some(stateful) = item.boolean("stateful")? {
            self.stateful = stateful;
        }
        item.finish()
    }

    /// Refused while a port has it; takes its rules, and others' rules that name it, along.
    fn remove(&self, model: &mut Model, caller: &Caller) -> Result<(), Fault> {
        let id = &self.standard.id;
        if self.standard.name == "default" && !caller.is_admin {
            return Err(Fault::conflict(
                "SecurityGroupCannotRemoveDefault",
                "Insufficient rights for removing default security group.",
            ));
        }
        if model.ports.values().any(|p| p.security_groups.contains(id)) {
            return Err(Fault::conflict("SecurityGroupInUse", format!("Security Group {id} in use.")));
        }
        model
            .security_group_rules
            .retain(|_, r| r.security_group_id != *id && r.remote_group_id.as_ref() != Some(id));
        model.security_groups.remove(id);
        Ok(())
    }
}
