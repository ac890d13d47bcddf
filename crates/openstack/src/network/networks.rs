//! Networks.

use http::Method;
use serde_json::json;

use super::{Client, Network, NewNetwork, wrap};
use crate::{Result, page};

impl Client {
    /// Networks that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_networks(&self, filters: &[(&str, &str)]) -> Result<Vec<Network>> {
        self.list("/networks", "networks", "list networks", filters).await
    }

    /// The project of the credentials: an administrator's lists hold those of all.
    ///
    /// # Errors
    /// Those of the identity service.
    pub async fn own_project(&self) -> Result<Option<String>> {
        self.session.project_id().await
    }

    /// One network.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_network(&self, id: &str) -> Result<Network> {
        self.get("/networks/{}", "network", id).await
    }

    /// Creates a network. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_over_quota`].
    pub async fn create_network(&self, network: &NewNetwork) -> Result<Network> {
        self.create("/networks", "network", &network.name, network).await
    }

    /// Renames a network.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn update_network_name(&self, id: &str, name: &str) -> Result<Network> {
        let call = self.call(Method::PUT, "/networks/{}", &[id], "rename network")?;
        page::one(&self.session, &call.json(&wrap("network", &json!({ "name": name })))?, "network").await
    }

    /// Deletes a network with its subnets. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] while ports are on it.
    pub async fn delete_network(&self, id: &str) -> Result<()> {
        self.delete("/networks/{}", "delete network", id).await
    }
}
