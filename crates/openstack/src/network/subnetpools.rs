//! Subnet pools.

use super::{Client, NewSubnetPool, SubnetPool};
use crate::Result;

impl Client {
    /// Pools that match all `filters`; a repeated key matches any of its values.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_subnetpools(&self, filters: &[(&str, &str)]) -> Result<Vec<SubnetPool>> {
        self.list("/subnetpools", "subnetpools", "list subnetpools", filters).await
    }

    /// One pool.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_subnetpool(&self, id: &str) -> Result<SubnetPool> {
        self.get("/subnetpools/{}", "subnetpool", id).await
    }

    /// Creates a pool. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn create_subnetpool(&self, pool: &NewSubnetPool) -> Result<SubnetPool> {
        self.create("/subnetpools", "subnetpool", &pool.name, pool).await
    }

    /// Deletes a pool. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_conflict`] while subnets are allocated from it.
    pub async fn delete_subnetpool(&self, id: &str) -> Result<()> {
        self.delete("/subnetpools/{}", "delete subnetpool", id).await
    }
}
