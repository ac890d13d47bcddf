//! What the service needs of the cloud and of this host.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use host_storage::connector::Link;
use host_storage::{DeviceNumber, Filesystem, Root, Subdirectory, Usage};
use openstack::block_storage::{Attachment, NewAttachment, NewVolume, Snapshot, Volume, VolumeType};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Cinder, as far as volumes of containers need it. Deleting what is absent succeeds.
#[async_trait]
pub trait BlockStorage: Send + Sync + std::fmt::Debug {
    /// The volumes whose metadata has all these keys and values, in detail, to the last page.
    async fn list_volumes(&self, metadata: &[(&str, &str)]) -> openstack::Result<Vec<Volume>>;
    /// One volume.
    async fn get_volume(&self, id: &str) -> openstack::Result<Volume>;
    /// Starts making a volume.
    async fn create_volume(&self, volume: &NewVolume) -> openstack::Result<Volume>;
    /// Starts deleting a volume.
    async fn delete_volume(&self, id: &str) -> openstack::Result<()>;
    /// Adds and replaces metadata keys, leaves the others.
    async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> openstack::Result<()>;
    /// Takes one metadata key away.
    async fn delete_metadata_key(&self, id: &str, key: &str) -> openstack::Result<()>;
    /// Claims a volume for this host and exports it.
    async fn create_attachment(&self, attachment: &NewAttachment) -> openstack::Result<Attachment>;
    /// Says that the volume is connected.
    async fn complete_attachment(&self, id: &str) -> openstack::Result<()>;
    /// A volume's attachments, those under way included.
    async fn list_attachments(&self, volume: &str) -> openstack::Result<Vec<Attachment>>;
    /// The same with their modes.
    async fn list_attachments_in_detail(&self, volume: &str) -> openstack::Result<Vec<Attachment>>;
    /// The volume types this project may use.
    async fn list_volume_types(&self) -> openstack::Result<Vec<VolumeType>>;
    /// Gives the volume back.
    async fn delete_attachment(&self, id: &str) -> openstack::Result<()>;
    /// Starts growing a volume to that many GiB, in use or not.
    async fn extend_volume(&self, id: &str, gib: u64) -> openstack::Result<()>;
    /// Starts making a snapshot of a volume, in use or not.
    async fn create_snapshot(
        &self,
        volume: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> openstack::Result<Snapshot>;
    /// One snapshot.
    async fn get_snapshot(&self, id: &str) -> openstack::Result<Snapshot>;
    /// A volume's snapshots.
    async fn list_snapshots(&self, volume: &str) -> openstack::Result<Vec<Snapshot>>;
    /// Starts deleting a snapshot.
    async fn delete_snapshot(&self, id: &str) -> openstack::Result<()>;
    /// What Cinder tells of a failure that came after its answer.
    async fn explain(&self, resource: &str) -> openstack::Result<Option<String>>;
}

/// Nova, as far as the volumes of one of its servers need it.
#[async_trait]
pub trait Servers: Send + Sync + std::fmt::Debug {
    /// Orders that the server gets the volume.
    async fn attach_volume(&self, server: &str, volume: &str) -> openstack::Result<()>;
    /// Whether Nova knows of the volume at the server, on its way to it and from it included. `false` as well if there
    /// is no such server.
    async fn has_volume(&self, server: &str, volume: &str) -> openstack::Result<bool>;
    /// Orders that the server gives the volume back.
    async fn detach_volume(&self, server: &str, volume: &str) -> openstack::Result<()>;
    /// Whether the server may still write to its disks.
    async fn life(&self, server: &str) -> openstack::Result<ServerLife>;
}

/// What Nova knows of a server's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerLife {
    /// There is no such server.
    Gone,
    /// It is shut down.
    Off,
    /// Anything else, by Nova's word for it.
    MayRun(String),
}

/// Who this machine is.
#[async_trait]
pub trait Identity: Send + Sync + std::fmt::Debug {
    /// Nova's id of the server that this machine is, or why that cannot be told.
    async fn server_id(&self) -> Result<String, String>;
}

/// Result of a host operation.
pub type HostResult<T> = host_storage::Result<T>;

/// A connected and proven device, as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Where it is.
    pub path: PathBuf,
    /// Its number.
    pub number: DeviceNumber,
    /// Its size in bytes.
    pub size: u64,
    /// The volume it was proven to be.
    pub volume: String,
    /// How it came here.
    pub link: Link,
}

/// What is on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A filesystem.
    Filesystem {
        /// blkid's name of it.
        kind: String,
        /// Its UUID, as blkid prints it.
        uuid: String,
    },
    /// Something else, to be left alone.
    Foreign(String),
    /// Nothing, proven.
    Blank,
    /// Not to be told, because reading failed.
    Unreadable(String),
}

/// This host's devices, filesystems and mounts. Every operation re-proves the device it is given; `name` is the
/// mountpoint's, below the host's volume directory.
#[async_trait]
pub trait HostStorage: Send + Sync + std::fmt::Debug {
    /// This boot.
    async fn boot_id(&self) -> HostResult<String>;
    /// The connector properties Cinder's drivers want of a host.
    async fn connector(&self) -> HostResult<serde_json::Map<String, serde_json::Value>>;
    /// How a volume would be connected, without secrets; nothing is done.
    fn link(&self, connection: &serde_json::Map<String, serde_json::Value>, volume: &str)
    -> HostResult<Link>;
    /// Connects a volume of `size` bytes and proves that the device is it.
    async fn connect(
        &self,
        connection: &serde_json::Map<String, serde_json::Value>,
        volume: &str,
        size: u64,
    ) -> HostResult<Device>;
    /// Looks what is on the device.
    async fn inspect(&self, device: &Device) -> HostResult<Content>;
    /// Makes a filesystem if, and only if, the device is proven blank at that moment; `options` are the user's for mkfs.
    async fn format(
        &self,
        device: &Device,
        filesystem: Filesystem,
        uuid: Uuid,
        options: &str,
    ) -> HostResult<()>;
    /// Has a filesystem that was not unmounted in good order put right, if that takes no decision. For a reader nothing is
    /// put right: it is refused what its writer did not finish.
    async fn check(&self, device: &Device, filesystem: Filesystem, reader: bool) -> HostResult<()>;
    /// Mounts it and proves that it is mounted; repeated calls are fine.
    async fn mount(
        &self,
        device: &Device,
        filesystem: Filesystem,
        options: &str,
        name: &str,
    ) -> HostResult<PathBuf>;
    /// Gives the mounted volume's root its owner and mode, and finds or makes the directory that containers see; `None` is
    /// the whole.
    async fn arrange(
        &self,
        name: &str,
        root: &Root,
        subdirectory: &Subdirectory,
    ) -> HostResult<Option<String>>;
    /// Who shows the device, in any mount namespace.
    async fn usage(&self, device: &Device, name: &str) -> HostResult<Usage>;
    /// Unmounts it, never lazily nor by force, and removes the mountpoint; what is unmounted stays so.
    async fn unmount(&self, device: &Device, name: &str) -> HostResult<()>;
    /// Proves that nobody holds the device any more and writes everything back.
    async fn release(&self, device: &Device) -> HostResult<()>;
    /// Takes a released volume, or what a connect that failed left of it, off this host; repeated calls are fine.
    async fn disconnect(&self, link: &Link, volume: &str) -> HostResult<()>;
    /// Writes back what is not on the device yet of the filesystem mounted under that name.
    async fn sync(&self, name: &str) -> HostResult<()>;
    /// Has the kernel see that the device grew to `size` bytes, and proves it anew.
    async fn resize(&self, device: &Device, size: u64) -> HostResult<Device>;
    /// Grows the mounted filesystem to the size of its device; one that fills it is left as it is.
    async fn grow(&self, device: &Device, filesystem: Filesystem, name: &str) -> HostResult<()>;
    /// Where a volume of that name is mounted, if it is.
    fn mountpoint(&self, name: &str) -> PathBuf;
}
