//! No Cinder, where only shares are served, and no Manila, where only volumes are.

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::block_storage::{Attachment, NewAttachment, NewVolume, Snapshot, Volume, VolumeType};
use openstack::shared_file_systems::{AccessRule, ExportLocation, NewAccess, NewShare, Share};
use openstack::{Error, Result};

use crate::BlockStorage;
use crate::share::SharedFileSystems;

/// Answers every question with an error that says what to configure; never with "there is none", which would make
/// the service forget volumes of an earlier configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotServed;

fn refused<T>() -> Result<T> {
    Err(Error::Config("volume_providers does not name cinder; add it to use this volume".into()))
}

#[async_trait]
impl BlockStorage for NotServed {
    async fn list_volumes(&self, _: &[(&str, &str)]) -> Result<Vec<Volume>> {
        refused()
    }
    async fn get_volume(&self, _: &str) -> Result<Volume> {
        refused()
    }
    async fn create_volume(&self, _: &NewVolume) -> Result<Volume> {
        refused()
    }
    async fn delete_volume(&self, _: &str) -> Result<()> {
        refused()
    }
    async fn merge_metadata(&self, _: &str, _: &BTreeMap<String, String>) -> Result<()> {
        refused()
    }
    async fn delete_metadata_key(&self, _: &str, _: &str) -> Result<()> {
        refused()
    }
    async fn create_attachment(&self, _: &NewAttachment) -> Result<Attachment> {
        refused()
    }
    async fn complete_attachment(&self, _: &str) -> Result<()> {
        refused()
    }
    async fn list_attachments(&self, _: &str) -> Result<Vec<Attachment>> {
        refused()
    }
    async fn list_attachments_in_detail(&self, _: &str) -> Result<Vec<Attachment>> {
        refused()
    }
    async fn list_volume_types(&self) -> Result<Vec<VolumeType>> {
        refused()
    }
    async fn delete_attachment(&self, _: &str) -> Result<()> {
        refused()
    }
    async fn extend_volume(&self, _: &str, _: u64) -> Result<()> {
        refused()
    }
    async fn create_snapshot(&self, _: &str, _: &str, _: &BTreeMap<String, String>) -> Result<Snapshot> {
        refused()
    }
    async fn get_snapshot(&self, _: &str) -> Result<Snapshot> {
        refused()
    }
    async fn list_snapshots(&self, _: &str) -> Result<Vec<Snapshot>> {
        refused()
    }
    async fn delete_snapshot(&self, _: &str) -> Result<()> {
        refused()
    }
    async fn explain(&self, _: &str) -> Result<Option<String>> {
        refused()
    }
}

fn refused_share<T>() -> Result<T> {
    Err(Error::Config("volume_providers does not name manila; add it to use this share".into()))
}

#[async_trait]
impl SharedFileSystems for NotServed {
    async fn list_shares(&self, _: &[(&str, &str)]) -> Result<Vec<Share>> {
        refused_share()
    }
    async fn get_share(&self, _: &str) -> Result<Share> {
        refused_share()
    }
    async fn project_id(&self) -> Result<Option<String>> {
        refused_share()
    }
    async fn create_share(&self, _: &NewShare) -> Result<Share> {
        refused_share()
    }
    async fn delete_share(&self, _: &str) -> Result<()> {
        refused_share()
    }
    async fn merge_metadata(&self, _: &str, _: &BTreeMap<String, String>) -> Result<()> {
        refused_share()
    }
    async fn delete_metadata_key(&self, _: &str, _: &str) -> Result<()> {
        refused_share()
    }
    async fn list_export_locations(&self, _: &str) -> Result<Vec<ExportLocation>> {
        refused_share()
    }
    async fn list_access_rules(&self, _: &str) -> Result<Vec<AccessRule>> {
        refused_share()
    }
    async fn get_access_rule(&self, _: &str) -> Result<AccessRule> {
        refused_share()
    }
    async fn allow_access(&self, _: &str, _: &NewAccess) -> Result<AccessRule> {
        refused_share()
    }
    async fn deny_access(&self, _: &str, _: &str) -> Result<()> {
        refused_share()
    }
    async fn extend_share(&self, _: &str, _: u64) -> Result<()> {
        refused_share()
    }
    async fn explain(&self, _: &str) -> Result<Option<String>> {
        refused_share()
    }
}
