//! No Cinder, where only shares are served.

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::block_storage::{Attachment, NewAttachment, NewVolume, Snapshot, Volume, VolumeType};
use openstack::{Error, Result};

use crate::BlockStorage;

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
