//! This host behind [`ShareHost`]: every call on a blocking thread.

use std::path::PathBuf;

use async_trait::async_trait;
use host_storage::Usage;
use host_storage::shares::{self, Export, Root, ShareMount};

use super::ShareHost;
use crate::host::blocking;
use crate::{HostResult, HostStorage, LocalHost};

/// How long a server may take to change owner and mode.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(10);

#[async_trait]
impl ShareHost for LocalHost {
    async fn boot_id(&self) -> HostResult<String> {
        host_storage::boot_id()
    }

    async fn mount_share(&self, name: &str, what: &ShareMount) -> HostResult<PathBuf> {
        let (base, name, what) = (self.base().to_owned(), name.to_owned(), what.clone());
        blocking(move || shares::mount(&base, &name, &what)).await
    }

    async fn set_root(&self, name: &str, root: &Root) -> HostResult<()> {
        let (path, root) = (HostStorage::mountpoint(self, name), *root);
        blocking(move || shares::bounded(&path.clone(), ANSWER, move || shares::set_root(&path, &root))).await
    }

    async fn share_usage(&self, name: &str, export: &Export) -> HostResult<Usage> {
        let (base, name, export) = (self.base().to_owned(), name.to_owned(), export.clone());
        blocking(move || shares::usage(&base, &name, &export)).await
    }

    async fn unmount_share(&self, name: &str, export: &Export) -> HostResult<()> {
        let (base, name, export) = (self.base().to_owned(), name.to_owned(), export.clone());
        blocking(move || shares::unmount(&base, &name, &export)).await
    }

    fn mountpoint(&self, name: &str) -> PathBuf {
        HostStorage::mountpoint(self, name)
    }
}
