//! The host's half of the double.

use std::path::PathBuf;

use async_trait::async_trait;
use host_storage::connector::Link;
use host_storage::{DeviceNumber, Error as HostError, Filesystem, Root, Subdirectory, Usage};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::World;
use crate::{Content, Device, HostResult, HostStorage};

#[async_trait]
impl HostStorage for World {
    async fn boot_id(&self) -> HostResult<String> {
        Ok(self.state().boot_id.clone())
    }
    async fn connector(&self) -> HostResult<Map<String, Value>> {
        Ok(Map::new())
    }
    fn link(&self, _: &Map<String, Value>, volume: &str) -> HostResult<Link> {
        Ok(Link::Local { path: device_path(volume) })
    }
    async fn connect(&self, _: &Map<String, Value>, volume: &str, size: u64) -> HostResult<Device> {
        let connected = self.host("connect", |s| {
            let path = device_path(volume);
            if s.storage_away {
                return Err(HostError::NotABlockDevice { path });
            }
            if s.volumes[volume].size << 30 != size {
                return Err(HostError::WrongDevice {
                    path,
                    volume: volume.into(),
                    reason: "its size".into(),
                });
            }
            // A hypervisor's disk goes as it came.
            if !s.in_server {
                s.connected.insert(volume.into());
            }
            let link = Link::Local { path: path.clone() };
            Ok(Device {
                path,
                number: DeviceNumber { major: 7, minor: 9 },
                size,
                volume: volume.into(),
                link,
            })
        });
        let connected = connected.await;
        while self.state().hanging.contains(volume) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        connected
    }
    async fn inspect(&self, device: &Device) -> HostResult<Content> {
        self.host("inspect", |s| {
            s.check_exported(device)?;
            let unreadable = s.unreadable.then(|| Content::Unreadable("I/O error".into()));
            Ok(unreadable.unwrap_or_else(|| s.content[&device.volume].clone()))
        })
        .await
    }
    async fn format(
        &self,
        device: &Device,
        filesystem: Filesystem,
        uuid: Uuid,
        options: &str,
    ) -> HostResult<()> {
        self.host("format", |s| {
            s.check_exported(device)?;
            s.mkfs_words.insert(device.volume.clone(), options.to_owned());
            let ours =
                s.volumes[&device.volume].metadata.get("fuxi_fs").map(String::as_str) == Some("pending");
            let blank = s.content[&device.volume] == Content::Blank;
            if !ours || !blank || s.precious.contains(&device.volume) {
                s.crimes.push(format!("formatted a volume: ours {ours}, blank {blank}"));
            }
            let content = Content::Filesystem { kind: filesystem.name().into(), uuid: uuid.to_string() };
            s.content.insert(device.volume.clone(), content);
            s.data.remove(&device.volume);
            Ok(())
        })
        .await
    }
    async fn check(&self, device: &Device, _: Filesystem, reader: bool) -> HostResult<()> {
        self.host(if reader { "check for reader" } else { "check" }, |s| {
            if s.mounts.values().any(|v| *v == device.volume) {
                s.crimes.push("repaired a mounted filesystem".into());
            }
            s.check_exported(device)
        })
        .await
    }
    async fn arrange(
        &self,
        name: &str,
        root: &Root,
        subdirectory: &Subdirectory,
    ) -> HostResult<Option<String>> {
        self.host("arrange", |s| {
            let Some(volume) = s.mounts.get(name).cloned() else {
                s.crimes.push("arranged what is not mounted".into());
                return Ok(None);
            };
            if *root != Root::default() && s.precious.contains(&volume) {
                s.crimes.push("changed the owner of what is somebody's".into());
            }
            s.roots.insert(volume.clone(), (root.clone(), subdirectory.clone()));
            Ok(match subdirectory {
                Subdirectory::Whole => None,
                Subdirectory::Named(name) | Subdirectory::Existing(name) => Some(name.clone()),
                Subdirectory::Detect => s.rex_rays.contains(&volume).then(|| "data".to_owned()),
            })
        })
        .await
    }
    async fn mount(&self, device: &Device, _: Filesystem, words: &str, name: &str) -> HostResult<PathBuf> {
        self.host("mount", |s| {
            s.mount_words.insert(device.volume.clone(), words.to_owned());
            s.check_exported(device)?;
            let mounted = s.mounts.get(name) == Some(&device.volume);
            if !mounted && !matches!(s.content[&device.volume], Content::Filesystem { .. }) {
                s.crimes.push("mounted what is no filesystem".into());
            }
            s.mounts.insert(name.into(), device.volume.clone());
            Ok(PathBuf::from("/volumes").join(name))
        })
        .await
    }
    async fn usage(&self, device: &Device, name: &str) -> HostResult<Usage> {
        self.host("usage", |s| {
            let others = s.users.contains(&device.volume).then(|| "process 42".to_owned());
            Ok(Usage { mounted: s.mounts.contains_key(name), others: others.into_iter().collect() })
        })
        .await
    }
    async fn unmount(&self, _: &Device, name: &str) -> HostResult<()> {
        self.host("unmount", |s| {
            if s.mounts.get(name).is_some_and(|v| s.users.contains(v)) {
                s.crimes.push("unmounted under a container".into());
            }
            s.mounts.remove(name);
            Ok(())
        })
        .await
    }
    async fn release(&self, device: &Device) -> HostResult<()> {
        self.host("release", |s| {
            let busy = s.mounts.values().any(|v| *v == device.volume) || s.users.contains(&device.volume);
            if busy { Err(HostError::Busy { path: device.path.clone() }) } else { Ok(()) }
        })
        .await
    }
    async fn disconnect(&self, _: &Link, volume: &str) -> HostResult<()> {
        self.host("disconnect", |s| {
            if s.mounts.values().any(|v| v == volume) || s.users.contains(volume) {
                s.crimes.push("disconnected a volume in use".into());
            }
            s.connected.remove(volume);
            Ok(())
        })
        .await
    }
    async fn sync(&self, name: &str) -> HostResult<()> {
        self.host("sync", |s| {
            if !s.mounts.contains_key(name) {
                s.crimes.push("wrote back what is not mounted".into());
            }
            Ok(())
        })
        .await
    }
    async fn resize(&self, device: &Device, size: u64) -> HostResult<Device> {
        self.host("resize", |s| s.check_exported(device).map(|()| Device { size, ..device.clone() })).await
    }
    async fn grow(&self, device: &Device, _: Filesystem, name: &str) -> HostResult<()> {
        self.host("grow", |s| {
            if s.mounts.get(name) != Some(&device.volume) {
                s.crimes.push("grew a filesystem that is not mounted".into());
            }
            s.grown.insert(device.volume.clone(), device.size);
            Ok(())
        })
        .await
    }
    fn mountpoint(&self, name: &str) -> PathBuf {
        PathBuf::from("/volumes").join(name)
    }
}

fn device_path(volume: &str) -> PathBuf {
    PathBuf::from(format!("/dev/of/{volume}"))
}
