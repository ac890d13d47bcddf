//! Manila behind [`SharedFileSystems`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::Result;
use openstack::shared_file_systems::{AccessRule, Client, ExportLocation, NewAccess, NewShare, Share};

use super::SharedFileSystems;

#[async_trait]
impl SharedFileSystems for Client {
    async fn list_shares(&self, metadata: &[(&str, &str)]) -> Result<Vec<Share>> {
        Client::list_shares(self, metadata).await
    }
    async fn get_share(&self, id: &str) -> Result<Share> {
        Client::get_share(self, id).await
    }
    async fn project_id(&self) -> Result<Option<String>> {
        Client::project_id(self).await
    }
    async fn create_share(&self, share: &NewShare) -> Result<Share> {
        Client::create_share(self, share).await
    }
    async fn delete_share(&self, id: &str) -> Result<()> {
        Client::delete_share(self, id).await
    }
    async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        Client::merge_share_metadata(self, id, metadata).await
    }
    async fn delete_metadata_key(&self, id: &str, key: &str) -> Result<()> {
        Client::delete_share_metadata_key(self, id, key).await
    }
    async fn list_export_locations(&self, share: &str) -> Result<Vec<ExportLocation>> {
        Client::list_export_locations(self, share).await
    }
    async fn list_access_rules(&self, share: &str) -> Result<Vec<AccessRule>> {
        Client::list_access_rules(self, share).await
    }
    async fn get_access_rule(&self, id: &str) -> Result<AccessRule> {
        Client::get_access_rule(self, id).await
    }
    async fn allow_access(&self, share: &str, access: &NewAccess) -> Result<AccessRule> {
        Client::allow_access(self, share, access).await
    }
    async fn deny_access(&self, share: &str, rule: &str) -> Result<()> {
        Client::deny_access(self, share, rule).await
    }
    async fn extend_share(&self, id: &str, gib: u64) -> Result<()> {
        Client::extend_share(self, id, gib).await
    }
    async fn explain(&self, resource: &str) -> Result<Option<String>> {
        Client::explain(self, resource).await
    }
}
