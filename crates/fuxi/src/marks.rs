//! The mark: what we write into a Cinder volume's metadata, the one place where Docker's names meet Cinder's.

use std::collections::BTreeMap;

use openstack::block_storage::Volume;

use crate::record::Origin;

/// Whose the volume is; the name of the key is Fuxi's.
pub(crate) const FROM: &str = "volume_from";
/// Docker's name of it.
pub(crate) const NAME: &str = "docker_volume_name";
/// The filesystem, for people to read; never believed.
pub(crate) const FSTYPE: &str = "fstype";
/// Value of the format mark: made by us and never formatted.
pub(crate) const PENDING: &str = "pending";
/// Value of the format mark: made by us out of other blocks, never to be formatted. After the first mount the
/// filesystem's UUID follows a colon, so that a copy that was used can be told from one that was only made.
pub(crate) const INHERITED: &str = "inherited";

/// The keys that depend on the label.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    pub(crate) label: String,
    /// Format mark: `pending`, `inherited` or `<filesystem>:<uuid>`. Only volumes we made have it.
    pub(crate) format: String,
    /// `adopted`.
    pub(crate) origin: String,
    /// Which request made it: tells our volume from a twin made by another host at the same time.
    pub(crate) request: String,
    /// Values of the user's that our keys replaced, as JSON.
    pub(crate) before: String,
}

impl Marks {
    pub(crate) fn new(label: &str) -> Self {
        let key = |what: &str| format!("{label}_{what}");
        Self {
            label: label.to_owned(),
            format: key("fs"),
            origin: key("origin"),
            request: key("request"),
            before: key("before"),
        }
    }

    /// Whether the volume carries our mark for this name.
    pub(crate) fn names(&self, volume: &Volume, name: &str) -> bool {
        self.name_of(volume) == Some(name)
    }

    /// Docker's name of the volume, if it carries our mark, or the one OpenStack's Fuxi left: the label, the filesystem,
    /// and Docker's name as Cinder's.
    pub(crate) fn name_of<'v>(&self, volume: &'v Volume) -> Option<&'v str> {
        let from = volume.metadata.get(FROM)?;
        (*from == self.label).then_some(())?;
        let own =
            [&self.format, &self.origin, &self.request].iter().any(|k| volume.metadata.contains_key(*k));
        let name = match volume.metadata.get(NAME) {
            Some(name) => name,
            None if !own && volume.metadata.contains_key(FSTYPE) => &volume.name,
            None => return None,
        };
        Some(name.as_str()).filter(|n| crate::name::check(n).is_ok())
    }

    pub(crate) fn origin(&self, volume: &Volume) -> Origin {
        if volume.metadata.contains_key(&self.origin) {
            Origin::Adopted
        } else if volume.metadata.contains_key(&self.format) && volume.metadata.contains_key(&self.request) {
            Origin::Created
        } else {
            Origin::Unknown
        }
    }

    pub(crate) fn format_of(&self, volume: &Volume) -> String {
        volume.metadata.get(&self.format).cloned().unwrap_or_default()
    }

    pub(crate) fn before_of(&self, volume: &Volume) -> BTreeMap<String, String> {
        volume.metadata.get(&self.before).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }

    /// What a volume of ours is made with.
    pub(crate) fn for_new(
        &self,
        name: &str,
        filesystem: &str,
        format: &str,
        request: &str,
    ) -> BTreeMap<String, String> {
        [
            (FROM, self.label.as_str()),
            (NAME, name),
            (FSTYPE, filesystem),
            (&self.format, format),
            (&self.request, request),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
    }

    /// The keys an adoption writes, in the order in which they are taken away again: those that make the volume
    /// discoverable go last.
    pub(crate) fn of_adoption(&self) -> [&str; 4] {
        [&self.before, &self.origin, NAME, FROM]
    }
}
