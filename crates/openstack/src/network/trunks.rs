//! Trunks and their subports.

use http::Method;
use serde_json::json;

use super::{Client, SubPort, Trunk};
use crate::Result;

impl Client {
    /// Trunks that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`]; not found where Neutron lacks the extension `trunk`.
    pub async fn list_trunks(&self, filters: &[(&str, &str)]) -> Result<Vec<Trunk>> {
        self.list("/trunks", "trunks", "list trunks", filters).await
    }

    /// One trunk.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_trunk(&self, id: &str) -> Result<Trunk> {
        self.get("/trunks/{}", "trunk", id).await
    }

    /// Adds all of these subports or none, in one call; no call but a look for none. Not repeated once it may have
    /// been executed: Neutron refuses what is there already, even if it is the same. After an error of unknown effect
    /// [`Self::get_trunk`] says.
    ///
    /// # Errors
    /// Those of any call. [`crate::Error::is_kind`] tells apart
    /// * `DuplicateSubPort` (409): the trunk has this segmentation id;
    /// * `TrunkPortInUse` (409): the port is a subport already, of this or another trunk;
    /// * `ParentPortInUse` (409): the port is a trunk's parent;
    /// * `PortInUse` (409): the port has a `device_id`;
    /// * `TrunkDisabled`, `TrunkInErrorState` (409): the trunk takes none;
    /// * `TrunkNotFound`, `PortNotFound` (404).
    pub async fn add_subports(&self, trunk_id: &str, subports: &[SubPort]) -> Result<Trunk> {
        if subports.is_empty() {
            return self.get_trunk(trunk_id).await;
        }
        let what = format!("add {} subports to trunk", subports.len());
        self.change_subports("/trunks/{}/add_subports", &what, trunk_id, &json!(subports)).await
    }

    /// Removes all of these ports from the trunk or none, in one call; no call but a look for none. Not repeated once
    /// it may have been executed: Neutron refuses to remove what is not there.
    ///
    /// # Errors
    /// Those of any call. [`crate::Error::is_kind`] tells apart
    /// * `SubPortNotFound` (404): one of the ports is no subport of this trunk, and none was removed;
    /// * `TrunkNotFound` (404);
    /// * `TrunkDisabled` (409): the trunk does not let go of any.
    pub async fn remove_subports(&self, trunk_id: &str, port_ids: &[String]) -> Result<Trunk> {
        if port_ids.is_empty() {
            return self.get_trunk(trunk_id).await;
        }
        let what = format!("remove {} subports from trunk", port_ids.len());
        let subports: Vec<_> = port_ids.iter().map(|id| json!({ "port_id": id })).collect();
        self.change_subports("/trunks/{}/remove_subports", &what, trunk_id, &json!(subports)).await
    }

    /// The answer is the trunk itself, without a key around it.
    async fn change_subports(
        &self,
        template: &'static str,
        what: &str,
        trunk_id: &str,
        subports: &serde_json::Value,
    ) -> Result<Trunk> {
        let call = self.call(Method::PUT, template, &[trunk_id], what)?.once();
        self.session.json(&call.json(&json!({ "sub_ports": subports }))?).await
    }
}
