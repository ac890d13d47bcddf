//! Where a volume that is a file of a network filesystem is, as Cinder says it.
//!
//! Source: os-brick's remotefs connector, whose keys are `export`, `name`, `options` and `format`.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// A file of a network filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFileLink {
    /// Which one.
    pub kind: RemoteFilesystem,
    /// `10.0.0.5:/volumes`.
    pub export: String,
    /// The file, below the export.
    pub name: String,
    /// Options of the mount, separated by commas.
    pub options: String,
    /// Cinder says that it is raw; otherwise it is looked at.
    pub raw: bool,
}

/// A network filesystem whose files can be devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemoteFilesystem {
    /// NFS, of any version.
    Nfs,
    /// GlusterFS.
    Glusterfs,
}

impl RemoteFilesystem {
    fn of(driver_volume_type: &str) -> Option<Self> {
        match driver_volume_type {
            "nfs" => Some(Self::Nfs),
            "glusterfs" => Some(Self::Glusterfs),
            _ => None,
        }
    }
}

impl RemoteFileLink {
    pub(in crate::connector) fn parse(
        driver_volume_type: &str,
        info: &Map<String, Value>,
        volume: &str,
    ) -> Result<Self> {
        let refused = |reason: String| Err(Error::Connection { volume: volume.to_owned(), reason });
        let Some(kind) = RemoteFilesystem::of(driver_volume_type) else {
            return refused(format!("files of {driver_volume_type} are not supported"));
        };
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default().trim();
        let (export, name) = (text("export").to_owned(), text("name").to_owned());
        // It becomes an argument of a program.
        let plain = |t: &str| !t.starts_with('-') && !t.chars().any(|c| c.is_control() || c.is_whitespace());
        if !plain(&export) || !export.contains(":/") {
            return refused(format!("`{export}` is no export like 10.0.0.5:/volumes"));
        }
        let inside = Path::new(&name).components().all(|c| matches!(c, Component::Normal(_)));
        if name.is_empty() || name.contains('\0') || !inside {
            return refused(format!("`{name}` is no file below {export}"));
        }
        let raw = match text("format") {
            "" => false,
            "raw" => true,
            other => {
                return refused(format!(
                    "its file is {other}, and only raw ones can be devices; choose a volume type whose back end makes \
                     raw files (nfs_qcow2_volumes = false), and no snapshots of it"
                ));
            }
        };
        let Some(options) = options(text("options")) else {
            return refused(format!("`{}` are no mount options", text("options")));
        };
        Ok(Self { kind, export, name, options, raw })
    }
}

/// Cinder hands on the words of its shares file: `-o vers=4.1,noatime`.
fn options(text: &str) -> Option<String> {
    let mut all = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("-o")? {
            "" => words.next()?,
            attached => attached,
        };
        let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\'';
        if value.starts_with('-') || !value.chars().all(fits) {
            return None;
        }
        all.push(value);
    }
    Some(all.join(","))
}

/// What a file without a stated format is, if it is the image of a virtual disk.
pub(super) fn image_format(head: &[u8]) -> Option<&'static str> {
    const FORMATS: [(usize, &[u8], &str); 9] = [
        (0, b"QFI\xfb", "qcow2"),
        (0, b"KDMV", "vmdk"),
        (0, b"COWD", "vmdk"),
        (0, b"# Disk DescriptorFile", "vmdk"),
        (0x40, b"\x7f\x10\xda\xbe", "vdi"),
        (0, b"conectix", "vhd"),
        (0, b"vhdxfile", "vhdx"),
        (0, b"QED\0", "qed"),
        (0, b"WithouFreSpacExt", "parallels"),
    ];
    let shows = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    FORMATS.iter().find(|(at, magic, _)| shows(*at, magic)).map(|(.., name)| *name)
}
