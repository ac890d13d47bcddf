//! The options of `docker volume create` for a share.

use std::collections::BTreeMap;

use host_storage::shares::{MountOptions, Protocol, Root, check_subdir};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::request::{hint, size};
use crate::{Error, Result};

/// Every key that `-o` takes, beside `volume_provider`.
const KEYS: [&str; 17] = [
    "availability_zone",
    "consistency_group_id",
    "description",
    "gid",
    "is_public",
    "mode",
    "mountopts",
    "ro",
    "share_group",
    "share_network",
    "share_proto",
    "share_type",
    "size",
    "snapshot_id",
    "subdir",
    "uid",
    "volume_id",
];

/// How a share is mounted; every host that mounts it does so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct How {
    /// Mount options.
    #[serde(default, rename = "o", skip_serializing_if = "String::is_empty")]
    pub(crate) options: String,
    /// Only this directory of it.
    #[serde(default, rename = "dir", skip_serializing_if = "Option::is_none")]
    pub(crate) subdir: Option<String>,
    /// Nothing is written.
    #[serde(default, rename = "ro", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) read_only: bool,
}

/// What the user asked for; what he left out is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShareRequest {
    /// GiB.
    pub(crate) size: Option<u64>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) share_type: Option<String>,
    pub(crate) share_network: Option<String>,
    pub(crate) availability_zone: Option<String>,
    /// Adopt this one.
    pub(crate) volume_id: Option<String>,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) is_public: Option<bool>,
    pub(crate) share_group: Option<String>,
    pub(crate) mount_options: Option<String>,
    pub(crate) subdir: Option<String>,
    pub(crate) read_only: Option<bool>,
    #[serde(default)]
    pub(crate) root: Root,
}

impl ShareRequest {
    pub(crate) fn parse(name: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let mut request = Self::default();
        for (key, value) in options {
            let Some(key) = KEYS.into_iter().find(|k| k == key) else {
                return Err(Error::UnknownOption {
                    name: name.to_owned(),
                    key: key.clone(),
                    hint: hint(key, &KEYS),
                });
            };
            request.set(key, value).map_err(|reason| Error::OptionValue {
                name: name.to_owned(),
                key,
                value: value.clone(),
                reason,
            })?;
        }
        request.check_combination(name)?;
        Ok(request)
    }

    fn set(&mut self, key: &str, value: &str) -> std::result::Result<(), String> {
        let text = || {
            let fits = !value.is_empty() && value.len() <= 255 && !value.chars().any(char::is_control);
            fits.then(|| Some(value.to_owned())).ok_or("use 1 to 255 printable characters".to_owned())
        };
        let id = || {
            let id = Uuid::try_parse(value).map(|u| Some(u.hyphenated().to_string()));
            id.map_err(|_| "it is no UUID; openstack share list shows them".to_owned())
        };
        let yes = || match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "" => Ok(Some(true)),
            "false" | "no" | "off" | "0" => Ok(Some(false)),
            _ => Err("use true or false".to_owned()),
        };
        let number = || match value.parse::<u32>() {
            Ok(n) if n < u32::MAX => Ok(Some(n)),
            _ => Err("give a number".to_owned()),
        };
        match key {
            "size" => self.size = Some(size(value)?),
            "share_proto" => {
                let known = Protocol::ALL.map(Protocol::name).join(", ");
                self.protocol = Some(Protocol::of_name(value).ok_or(format!("use one of {known}"))?);
            }
            "share_type" => self.share_type = text()?,
            "share_network" => self.share_network = id()?,
            "availability_zone" => self.availability_zone = text()?,
            "description" => self.description = text()?,
            "volume_id" => self.volume_id = id()?,
            "snapshot_id" => self.snapshot_id = id()?,
            // Consistency groups became share groups.
            "share_group" | "consistency_group_id" => self.share_group = id()?,
            "is_public" => self.is_public = yes()?,
            "ro" => self.read_only = yes()?,
            // Which of them the protocol takes is seen when that is known.
            "mountopts" => self.mount_options = text()?,
            "subdir" => {
                check_subdir(value).map_err(|e| e.to_string())?;
                self.subdir = Some(value.to_owned());
            }
            "uid" => self.root.uid = number()?,
            "gid" => self.root.gid = number()?,
            "mode" => {
                let mode = u32::from_str_radix(value, 8).ok().filter(|m| (1..=0o7777).contains(m));
                self.root.mode = Some(mode.ok_or("give an octal mode such as 0770")?);
            }
            other => return Err(format!("{other} is not understood")),
        }
        Ok(())
    }

    fn check_combination(&self, name: &str) -> Result<()> {
        if self.volume_id.is_some() {
            let others = self.snapshot_id.is_some()
                || self.share_type.is_some()
                || self.share_network.is_some()
                || self.availability_zone.is_some()
                || self.description.is_some()
                || self.share_group.is_some()
                || self.is_public.is_some()
                || !self.root.is_empty();
            if others {
                return Err(Error::refused(
                    name,
                    "an existing share is adopted as it is; with volume_id give only size and share_proto, which must fit it, mountopts, subdir and ro",
                ));
            }
        }
        if self.snapshot_id.is_some() && self.size.is_none() {
            return Err(Error::refused(
                name,
                "snapshot_id needs size, at least the snapshot's own (-o size=10)",
            ));
        }
        if self.read_only == Some(true) && !self.root.is_empty() {
            return Err(Error::refused(name, "a share that is mounted read-only takes no uid, gid or mode"));
        }
        Ok(())
    }

    /// How it is to be mounted.
    pub(crate) fn how(&self) -> How {
        How {
            options: self.mount_options.clone().unwrap_or_default(),
            subdir: self.subdir.clone(),
            read_only: self.read_only.unwrap_or_default(),
        }
    }

    /// Whether the mount options are some of the protocol's.
    pub(crate) fn check_mount_options(&self, name: &str, protocol: Protocol) -> Result<()> {
        let Some(text) = &self.mount_options else { return Ok(()) };
        MountOptions::parse(protocol, text).map(drop).map_err(|e| Error::OptionValue {
            name: name.to_owned(),
            key: "mountopts",
            value: text.clone(),
            reason: e.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<ShareRequest> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ShareRequest::parse("v", &options)
    }

    #[test]
    fn options_are_read() {
        let request = parse(&[
            ("size", "5G"),
            ("share_proto", "cephfs"),
            ("uid", "1000"),
            ("mode", "0770"),
            ("is_public", "yes"),
            ("subdir", "a/b"),
        ])
        .unwrap();
        assert_eq!((request.size, request.protocol), (Some(5), Some(Protocol::CephFs)));
        assert_eq!(request.root, Root { uid: Some(1000), gid: None, mode: Some(0o770) });
        assert_eq!(request.how(), How { subdir: Some("a/b".into()), ..How::default() });
        assert_eq!(request.is_public, Some(true));
    }

    #[test]
    fn what_is_not_an_option_is_named_with_a_suggestion() {
        let error = |key: &str| parse(&[(key, "1")]).unwrap_err().to_string();
        assert!(error("share_protocol").ends_with("did you mean `share_proto`?"));
        assert!(error("type").ends_with("did you mean `share_type`?"));
        assert!(error("fstype").contains("known are availability_zone"), "{}", error("fstype"));
        assert!(error("o").ends_with("did you mean `mountopts`?"));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for (key, value) in [
            ("share_proto", "smb"),
            ("size", "0"),
            ("is_public", "maybe"),
            ("uid", "-1"),
            ("uid", "4294967295"),
            ("mode", "999"),
            ("mode", "0"),
            ("subdir", "../x"),
            ("subdir", "/x"),
            ("share_network", "net"),
            ("volume_id", "42"),
            ("description", "a\nb"),
        ] {
            assert!(matches!(parse(&[(key, value)]), Err(Error::OptionValue { .. })), "{key}={value}");
        }
        let id = "11111111-2222-3333-4444-555555555555";
        assert!(parse(&[("volume_id", id), ("uid", "1")]).is_err());
        assert!(parse(&[("snapshot_id", id)]).is_err());
        assert!(parse(&[("ro", "true"), ("uid", "1")]).is_err());
        assert!(parse(&[("volume_id", id), ("ro", "true"), ("mountopts", "soft")]).is_ok());
    }

    #[test]
    fn mount_options_must_be_the_protocols() {
        let request = parse(&[("mountopts", "vers=4.1,soft")]).unwrap();
        assert!(request.check_mount_options("v", Protocol::Nfs).is_ok());
        let error = request.check_mount_options("v", Protocol::CephFs).unwrap_err().to_string();
        assert!(error.contains("`vers=4.1`"), "{error}");
    }
}
