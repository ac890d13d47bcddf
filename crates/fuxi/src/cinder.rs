//! Cinder behind [`BlockStorage`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use openstack::Result;
use openstack::block_storage::{Attachment, Client, NewAttachment, NewVolume, Volume};

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
    async fn delete_attachment(&self, id: &str) -> Result<()> {
        Client::delete_attachment(self, id).await
    }
}
