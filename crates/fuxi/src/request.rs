//! The options of `docker volume create`.

use std::collections::BTreeMap;

use host_storage::Filesystem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Result};

/// Every key that `-o` takes.
const KEYS: [&str; 9] = [
    "availability_zone",
    "description",
    "fstype",
    "size",
    "snapshot_id",
    "source_volid",
    "volume_id",
    "volume_provider",
    "volume_type",
];

/// The largest size Cinder stores, in GiB.
const LARGEST: u64 = i32::MAX as u64;

/// What the user asked for; what he left out is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// GiB.
    pub(crate) size: Option<u64>,
    pub(crate) filesystem: Option<Filesystem>,
    pub(crate) volume_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    /// Adopt this one.
    pub(crate) volume_id: Option<String>,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) source_volid: Option<String>,
    pub(crate) description: Option<String>,
}

impl Request {
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
            let refused = |reason: String| Error::OptionValue {
                name: name.to_owned(),
                key,
                value: value.clone(),
                reason,
            };
            let text = || -> Result<Option<String>> {
                if value.is_empty() || value.len() > 255 || value.chars().any(char::is_control) {
                    return Err(refused("use 1 to 255 printable characters".into()));
                }
                Ok(Some(value.clone()))
            };
            let id = || -> Result<Option<String>> {
                Uuid::try_parse(value)
                    .map(|u| Some(u.hyphenated().to_string()))
                    .map_err(|_| refused("it is no UUID; openstack volume list shows them".into()))
            };
            match key {
                "size" => request.size = Some(size(value).map_err(refused)?),
                "fstype" => {
                    request.filesystem =
                        Some(value.parse().map_err(|_| refused("use ext4, xfs or btrfs".into()))?);
                }
                "volume_type" => request.volume_type = text()?,
                "availability_zone" => request.availability_zone = text()?,
                "description" => request.description = text()?,
                "volume_id" => request.volume_id = id()?,
                "snapshot_id" => request.snapshot_id = id()?,
                "source_volid" => request.source_volid = id()?,
                _ if value == "cinder" => {}
                _ => return Err(refused("only cinder is provided".into())),
            }
        }
        request.check_combination(name)?;
        Ok(request)
    }

    fn check_combination(&self, name: &str) -> Result<()> {
        let given = [&self.volume_id, &self.snapshot_id, &self.source_volid];
        if given.into_iter().flatten().count() > 1 {
            return Err(Error::refused(
                name,
                "volume_id, snapshot_id and source_volid exclude each other; give one of them",
            ));
        }
        if self.volume_id.is_some()
            && (self.volume_type.is_some() || self.availability_zone.is_some() || self.description.is_some())
        {
            return Err(Error::refused(
                name,
                "an existing volume is adopted as it is; with volume_id give only size and fstype, which must fit it",
            ));
        }
        if self.snapshot_id.is_some() && self.size.is_none() {
            return Err(Error::refused(
                name,
                "snapshot_id needs size, at least the snapshot's own (-o size=10)",
            ));
        }
        Ok(())
    }

    /// Its blocks come from elsewhere and are never formatted.
    pub(crate) fn is_copy(&self) -> bool {
        self.snapshot_id.is_some() || self.source_volid.is_some()
    }
}

/// `10`, `10G`, `10GB`, `10GiB`: all are GiB, as in Cinder and Manila.
pub(crate) fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "g" | "gb" | "gib" => 1,
        "t" | "tb" | "tib" => 1024,
        _ => return Err("give whole GiB, such as 10, 10G or 10GiB".into()),
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)) {
        Some(0) => Err("a volume has at least 1 GiB".into()),
        Some(gib) if gib <= LARGEST => Ok(gib),
        Some(_) => Err(format!("at most {LARGEST} GiB can be asked for")),
        None if number.is_empty() => Err("give whole GiB, such as 10, 10G or 10GiB".into()),
        None => Err(format!("at most {LARGEST} GiB can be asked for")),
    }
}

/// The nearest of the known keys, or all of them.
pub(crate) fn hint(key: &str, keys: &[&'static str]) -> String {
    // What users of other drivers write.
    let known: &[&str] = match key.to_ascii_lowercase().as_str() {
        "type" | "volumetype" => &["volume_type", "share_type"],
        "fs" | "filesystem" | "fs_type" => &["fstype"],
        "az" | "zone" => &["availability_zone"],
        "id" | "share_id" => &["volume_id"],
        "proto" | "protocol" => &["share_proto"],
        "o" | "options" | "mount_options" => &["mountopts"],
        "network" => &["share_network"],
        "group" => &["share_group"],
        _ => &[],
    };
    let known = known.iter().find(|k| keys.contains(k)).copied();
    let nearest = known.or_else(|| {
        let near = |k: &&str| distance(&key.to_ascii_lowercase(), k);
        keys.iter().copied().min_by_key(near).filter(|k| near(k) <= 3)
    });
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known are {}", keys.join(", ")),
    }
}

/// Edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |r: &[usize], k: usize| r.get(k).copied().unwrap_or(usize::MAX / 2);
            next.push((at(&row, j) + usize::from(x != *y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[(&str, &str)]) -> Result<Request> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Request::parse("v", &options)
    }

    #[test]
    fn sizes_are_read_in_gib() {
        for (text, gib) in [("10", 10), ("10G", 10), ("10GiB", 10), ("10gb", 10), ("2T", 2048)] {
            assert_eq!(parse(&[("size", text)]).unwrap().size, Some(gib), "{text}");
        }
    }

    #[test]
    fn sizes_that_are_none_are_refused_with_a_reason() {
        for text in ["", "0", "0G", "ten", "1.5", "-1", "10M", "99999999999999999999", "2147483648", "G"] {
            let error = parse(&[("size", text)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("volume v: option size={text} is refused: ")), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let hint = |key| parse(&[(key, "1")]).unwrap_err().to_string();
        assert_eq!(hint("sizes"), "volume v: unknown option `sizes`; did you mean `size`?");
        assert!(hint("fsType").ends_with("did you mean `fstype`?"));
        assert!(hint("volumeType").ends_with("did you mean `volume_type`?"));
        assert!(hint("multiattach").contains("known are availability_zone"));
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        for bad in [
            [("fstype", "ext5")],
            [("fstype", "")],
            [("volume_id", "42")],
            [("snapshot_id", "x")],
            [("volume_provider", "manila")],
            [("volume_type", "")],
            [("description", "a\nb")],
        ] {
            assert!(matches!(parse(&bad), Err(Error::OptionValue { .. })), "{bad:?}");
        }
        let id = "11111111-2222-3333-4444-555555555555";
        assert!(parse(&[("volume_id", id), ("source_volid", id)]).is_err());
        assert!(parse(&[("volume_id", id), ("volume_type", "x")]).is_err());
        assert!(parse(&[("snapshot_id", id)]).is_err());
        assert!(parse(&[("volume_id", id), ("volume_provider", "cinder")]).is_ok());
    }
}
