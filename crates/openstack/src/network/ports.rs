//! Ports.

use http::Method;

use super::{Client, NewPort, Port, PortUpdate, wrap};
use crate::{Result, page};

impl Client {
    /// Ports that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_ports(&self, filters: &[(&str, &str)]) -> Result<Vec<Port>> {
        self.list("/ports", "ports", "list ports", filters).await
    }

    /// One port.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_port(&self, id: &str) -> Result<Port> {
        self.get("/ports/{}", "port", id).await
    }

    /// Creates a port. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] if an address is taken.
    pub async fn create_port(&self, port: &NewPort) -> Result<Port> {
        self.create("/ports", "port", &port.name, port).await
    }

    /// Creates all of these ports or none, in one call; no call for none. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// As [`Self::create_port`].
    pub async fn create_ports(&self, ports: &[NewPort]) -> Result<Vec<Port>> {
        if ports.is_empty() {
            return Ok(Vec::new());
        }
        let what = format!("create {} ports", ports.len());
        let call = self.call(Method::POST, "/ports", &[], &what)?;
        page::one(&self.session, &call.json(&wrap("ports", &ports))?, "ports").await
    }

    /// Changes a port; with `if_revision` only while it is at that revision, and then not repeated once it may have
    /// been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_stale_revision`]; [`crate::Error::is_not_found`].
    pub async fn update_port(&self, id: &str, update: &PortUpdate, if_revision: Option<u64>) -> Result<Port> {
        let mut call =
            self.call(Method::PUT, "/ports/{}", &[id], "update port")?.json(&wrap("port", update))?;
        if let Some(revision) = if_revision {
            call = call.if_revision(revision);
        }
        page::one(&self.session, &call, "port").await
    }

    /// Deletes a port. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] for subports of a trunk and ports of routers.
    pub async fn delete_port(&self, id: &str) -> Result<()> {
        self.delete("/ports/{}", "delete port", id).await
    }
}
