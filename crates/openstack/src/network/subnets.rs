//! Subnets.

use http::Method;

use super::{Client, NewSubnet, Subnet, wrap};
use crate::{Result, page};

impl Client {
    /// Subnets that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_subnets(&self, filters: &[(&str, &str)]) -> Result<Vec<Subnet>> {
        self.list("/subnets", "subnets", "list subnets", filters).await
    }

    /// One subnet.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_subnet(&self, id: &str) -> Result<Subnet> {
        self.get("/subnets/{}", "subnet", id).await
    }

    /// Creates a subnet. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; status 400 if its range overlaps another of the network.
    pub async fn create_subnet(&self, subnet: &NewSubnet) -> Result<Subnet> {
        self.create("/subnets", "subnet", &subnet.name, subnet).await
    }

    /// Creates all of these subnets or none, in one call; no call for none. Not repeated once it may have been
    /// executed.
    ///
    /// # Errors
    /// As [`Self::create_subnet`].
    pub async fn create_subnets(&self, subnets: &[NewSubnet]) -> Result<Vec<Subnet>> {
        if subnets.is_empty() {
            return Ok(Vec::new());
        }
        let what = format!("create {} subnets", subnets.len());
        let call = self.call(Method::POST, "/subnets", &[], &what)?;
        page::one(&self.session, &call.json(&wrap("subnets", &subnets))?, "subnets").await
    }

    /// Deletes a subnet. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] while ports have addresses of it.
    pub async fn delete_subnet(&self, id: &str) -> Result<()> {
        self.delete("/subnets/{}", "delete subnet", id).await
    }
}
