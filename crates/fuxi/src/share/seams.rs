//! What shares need of the cloud and of this host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use host_storage::Usage;
use host_storage::shares::{Export, Root, ShareMount};
use openstack::shared_file_systems::{AccessRule, ExportLocation, NewAccess, NewShare, Share};

use crate::HostResult;

/// Manila, as far as shares of containers need it. Deleting what is absent succeeds.
#[async_trait]
pub trait SharedFileSystems: Send + Sync + std::fmt::Debug {
    /// The project's own shares whose metadata has all these keys and values, in detail, to the last page.
    async fn list_shares(&self, metadata: &[(&str, &str)]) -> openstack::Result<Vec<Share>>;
    /// One share.
    async fn get_share(&self, id: &str) -> openstack::Result<Share>;
    /// The project whose shares these are, if our token says so; asks nothing anew.
    async fn project_id(&self) -> openstack::Result<Option<String>>;
    /// Starts making a share.
    async fn create_share(&self, share: &NewShare) -> openstack::Result<Share>;
    /// Starts deleting a share.
    async fn delete_share(&self, id: &str) -> openstack::Result<()>;
    /// Adds and replaces metadata keys, leaves the others.
    async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> openstack::Result<()>;
    /// Takes one metadata key away.
    async fn delete_metadata_key(&self, id: &str, key: &str) -> openstack::Result<()>;
    /// Where a share is mounted from.
    async fn list_export_locations(&self, share: &str) -> openstack::Result<Vec<ExportLocation>>;
    /// Who may use a share.
    async fn list_access_rules(&self, share: &str) -> openstack::Result<Vec<AccessRule>>;
    /// One rule.
    async fn get_access_rule(&self, id: &str) -> openstack::Result<AccessRule>;
    /// Starts making a rule.
    async fn allow_access(&self, share: &str, access: &NewAccess) -> openstack::Result<AccessRule>;
    /// Starts ending a rule.
    async fn deny_access(&self, share: &str, rule: &str) -> openstack::Result<()>;
    /// Starts growing a share.
    async fn extend_share(&self, id: &str, gib: u64) -> openstack::Result<()>;
    /// Why something failed that Manila did after its answer.
    async fn explain(&self, resource: &str) -> openstack::Result<Option<String>>;
}

/// This host's mounts of shares; `name` is the mountpoint's, below the host's volume directory. No call outlasts its
/// own deadline, whatever a server does.
#[async_trait]
pub trait ShareHost: Send + Sync + std::fmt::Debug {
    /// This boot.
    async fn boot_id(&self) -> HostResult<String>;
    /// Mounts the share, and proves that it is mounted and that its server answers; repeated calls are fine.
    async fn mount_share(&self, name: &str, what: &ShareMount) -> HostResult<PathBuf>;
    /// Gives the mounted directory owner and mode.
    async fn set_root(&self, name: &str, root: &Root) -> HostResult<()>;
    /// Who shows the export, in any mount namespace. Asks no server.
    async fn share_usage(&self, name: &str, export: &Export) -> HostResult<Usage>;
    /// Writes back and unmounts it, never lazily nor by force; what is unmounted stays so.
    async fn unmount_share(&self, name: &str, export: &Export) -> HostResult<()>;
    /// Where a share of that name is mounted, if it is.
    fn mountpoint(&self, name: &str) -> PathBuf;
}
