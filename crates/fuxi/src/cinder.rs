//! Cinder behind [`BlockStorage`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::Result;
use openstack::block_storage::{Attachment, Client, NewAttachment, NewVolume, Snapshot, Volume, VolumeType};

use crate::BlockStorage;

#[async_trait]
impl BlockStorage for Client {
    async fn list_volumes(&self, metadata: &[(&str, &str)]) -> Result<Vec<Volume>> {
        Client::list_volumes(self, None, metadata).await
    }
    async fn get_volume(&self, id: &str) -> Result<Volume> {
        Client::get_volume(self, id).await
    }
    async fn create_volume(&self, volume: &NewVolume) -> Result<Volume> {
        Client::create_volume(self, volume).await
    }
    async fn delete_volume(&self, id: &str) -> Result<()> {
        Client::delete_volume(self, id).await
    }
    async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        Client::merge_metadata(self, id, metadata).await
    }
    async fn delete_metadata_key(&self, id: &str, key: &str) -> Result<()> {
        Client::delete_metadata_key(self, id, key).await
    }
    async fn create_attachment(&self, attachment: &NewAttachment) -> Result<Attachment> {
        Client::create_attachment(self, attachment).await
    }
    async fn complete_attachment(&self, id: &str) -> Result<()> {
        Client::complete_attachment(self, id).await
    }
    async fn list_attachments(&self, volume: &str) -> Result<Vec<Attachment>> {
        Client::list_attachments(self, volume).await
    }
    async fn list_attachments_in_detail(&self, volume: &str) -> Result<Vec<Attachment>> {
        Client::list_attachments_in_detail(self, volume).await
    }
    async fn list_volume_types(&self) -> Result<Vec<VolumeType>> {
        Client::list_volume_types(self).await
    }
    async fn delete_attachment(&self, id: &str) -> Result<()> {
        Client::delete_attachment(self, id).await
    }
    async fn extend_volume(&self, id: &str, gib: u64) -> Result<()> {
        Client::extend_volume(self, id, gib).await
    }
    async fn create_snapshot(
        &self,
        volume: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        Client::create_snapshot(self, volume, name, metadata).await
    }
    async fn get_snapshot(&self, id: &str) -> Result<Snapshot> {
        Client::get_snapshot(self, id).await
    }
    async fn list_snapshots(&self, volume: &str) -> Result<Vec<Snapshot>> {
        Client::list_snapshots(self, volume).await
    }
    async fn delete_snapshot(&self, id: &str) -> Result<()> {
        Client::delete_snapshot(self, id).await
    }
    async fn explain(&self, resource: &str) -> Result<Option<String>> {
        Client::explain(self, resource).await
    }
}
