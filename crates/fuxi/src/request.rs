//! The options of `docker volume create`.

mod keys;
mod values;

use std::collections::BTreeMap;

use host_storage::{Filesystem, check_mount_options, mkfs_options};
use serde::{Deserialize, Serialize};

pub(crate) use self::keys::hint;
use self::keys::{HINT, Key, recognise};
pub(crate) use self::values::size;
use crate::{Error, Result};

/// What the user asked for; what he left out is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Request {
    /// GiB.
    pub(crate) size: Option<u64>,
    pub(crate) filesystem: Option<Filesystem>,
    pub(crate) volume_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) multiattach: Option<bool>,
    /// Adopt this one.
    pub(crate) volume_id: Option<String>,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) source_volid: Option<String>,
    /// Copy this one: Docker's name or Cinder's id, as it was written.
    pub(crate) snapshot_of: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) group: Option<String>,
    /// For Cinder's scheduler.
    pub(crate) hints: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) mkfs_options: Option<String>,
    pub(crate) mount_options: Option<String>,
    /// Of the root, when the filesystem is made.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) mode: Option<u32>,
    /// The directory that containers see; `/` is the whole.
    pub(crate) subdirectory: Option<String>,
    /// Only ever read, by any number of hosts.
    pub(crate) read_only: Option<bool>,
}

impl Request {
    pub(crate) fn parse(name: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let mut request = Self::default();
        let mut seen = BTreeMap::new();
        for (key, value) in options {
            let known = match recognise(key) {
                Key::Known(known) => known,
                Key::Refused(instead) => {
                    return Err(Error::UnknownOption {
                        name: name.to_owned(),
                        key: key.clone(),
                        hint: instead.to_owned(),
                    });
                }
                Key::Unknown(hint) => {
                    return Err(Error::UnknownOption { name: name.to_owned(), key: key.clone(), hint });
                }
            };
            let refused = |reason: String| Error::OptionValue {
                name: name.to_owned(),
                key: known,
                value: value.clone(),
                reason,
            };
            if known == HINT {
                let hint = key.strip_prefix(HINT).unwrap_or_default();
                request.add_hint(hint, values::text(value)).map_err(refused)?;
                continue;
            }
            if let Some(other) = seen.insert(known, key) {
                return Err(Error::refused(
                    name,
                    format!("{other} and {key} are one option; give one of them"),
                ));
            }
            request.set(known, value).map_err(refused)?;
        }
        request.check_combination(name)?;
        Ok(request)
    }

    fn set(&mut self, key: &'static str, value: &str) -> std::result::Result<(), String> {
        match key {
            "size" => self.size = Some(values::size(value)?),
            "fstype" => self.filesystem = Some(filesystem(value)?),
            "volume_type" => self.volume_type = Some(values::text(value)?),
            "availability_zone" => self.availability_zone = Some(values::text(value)?),
            "multiattach" => self.multiattach = Some(values::switch(value)?),
            "volume_id" => self.volume_id = Some(values::id(value, "volume")?),
            "snapshot_id" => self.snapshot_id = Some(values::id(value, "volume snapshot")?),
            "source_volid" => self.source_volid = Some(values::id(value, "volume")?),
            "snapshot_of" if crate::name::check(value).is_ok() => self.snapshot_of = Some(value.to_owned()),
            "snapshot_of" => return Err("give a Docker volume's name or a Cinder volume's id".into()),
            "image" => self.image = Some(values::id(value, "image")?),
            "group" => self.group = Some(values::id(value, "volume group")?),
            "same_host" | "different_host" => {
                self.hints.insert(key.to_owned(), values::ids(value)?);
            }
            "description" => self.description = Some(values::text(value)?),
            "mkfsopts" => self.mkfs_options = Some(values::text(value)?),
            "mountopts" => {
                check_mount_options(None, &values::text(value)?)?;
                self.mount_options = Some(value.to_owned());
            }
            "uid" => self.uid = Some(values::number(value)?),
            "gid" => self.gid = Some(values::number(value)?),
            "mode" => self.mode = Some(values::mode(value)?),
            "subdir" => self.subdirectory = Some(values::subdirectory(value)?),
            "ro" => self.read_only = Some(values::switch(value)?),
            _ if value == "cinder" => {}
            _ => return Err("only cinder is provided".into()),
        }
        Ok(())
    }

    fn add_hint(
        &mut self,
        hint: &str,
        value: std::result::Result<String, String>,
    ) -> std::result::Result<(), String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b':');
        if hint.is_empty() || hint.len() > 64 || !hint.bytes().all(plain) {
            return Err("name the hint, such as hint:same_host=".into());
        }
        self.hints.insert(hint.to_owned(), value?);
        Ok(())
    }

    fn check_combination(&self, name: &str) -> Result<()> {
        let refused = |reason: &str| Err(Error::refused(name, reason));
        let sources =
            [&self.volume_id, &self.snapshot_id, &self.source_volid, &self.snapshot_of, &self.image];
        if sources.into_iter().flatten().count() > 1 {
            return refused(
                "volume_id, snapshot_id, source_volid, snapshot_of and image exclude each other; give one of them",
            );
        }
        let has_content = sources.into_iter().any(Option::is_some);
        let shapes_root = self.uid.is_some() || self.gid.is_some() || self.mode.is_some();
        if has_content && (shapes_root || self.mkfs_options.is_some()) {
            return refused(
                "uid, gid, mode and mkfsopts are for a filesystem that is made, and this volume brings its own; change those in a container",
            );
        }
        let places =
            self.volume_type.is_some() || self.availability_zone.is_some() || self.description.is_some();
        if self.volume_id.is_some()
            && (places || self.multiattach == Some(true) || self.group.is_some() || !self.hints.is_empty())
        {
            return refused(
                "an existing volume is adopted as it is; with volume_id give only size and fstype, which must fit it, mountopts, subdir and ro",
            );
        }
        if self.is_reader() && !has_content {
            return refused(
                "ro is for a volume that has its content already; give volume_id, snapshot_id, source_volid or snapshot_of as well",
            );
        }
        match self.filesystem {
            Some(shared) if shared.is_shared() && !has_content => Err(Error::refused(
                name,
                format!(
                    "{shared} is mounted but never made here; make it with mkfs.{shared} on a volume of a multiattach type and give that with volume_id="
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Checks what depends on the filesystem, once that is known.
    pub(crate) fn check_filesystem(&self, name: &str, filesystem: Filesystem) -> Result<()> {
        let refused = |key, value: &str, reason| Error::OptionValue {
            name: name.to_owned(),
            key,
            value: value.to_owned(),
            reason,
        };
        if let Some(text) = &self.mkfs_options {
            mkfs_options(filesystem, text).map_err(|reason| refused("mkfsopts", text, reason))?;
        }
        if let Some(text) = &self.mount_options {
            check_mount_options(Some(filesystem), text)
                .map_err(|reason| refused("mountopts", text, reason))?;
        }
        Ok(())
    }

    /// Its blocks come from elsewhere and are never formatted.
    pub(crate) fn is_copy(&self) -> bool {
        [&self.snapshot_id, &self.source_volid, &self.snapshot_of, &self.image]
            .into_iter()
            .any(Option::is_some)
    }

    /// It is never written to.
    pub(crate) fn is_reader(&self) -> bool {
        self.read_only == Some(true)
    }
}

fn filesystem(text: &str) -> std::result::Result<Filesystem, String> {
    match Filesystem::named(text) {
        Some(filesystem) => Ok(filesystem),
        None if ["raw", "block", "none"].contains(&text) => Err(
            "a container gets a directory from Docker's volumes, never a bare device; use ext4, xfs or btrfs"
                .into(),
        ),
        None => Err("use ext4, xfs or btrfs".into()),
    }
}

#[cfg(test)]
mod tests;
