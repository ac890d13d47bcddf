//! The mark: what we write into a Cinder volume's metadata, the one place where Docker's names meet Cinder's.

use std::collections::BTreeMap;

use host_storage::Filesystem;
use openstack::block_storage::Volume;

use crate::record::Origin;
use crate::request::Request;

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
    /// Words for every mount of it, on any host.
    mount_options: String,
    /// Options of its mkfs, for the host that mounts it first.
    mkfs_options: String,
    /// `uid:gid:mode` of its root, likewise; what was not asked for is empty.
    root: String,
    /// The directory in it that containers see; `/` once it is known to be the whole.
    pub(crate) subdirectory: String,
    /// `ro`: only ever read; a filesystem's name: written by several hosts at once.
    access: String,
    /// What `snapshot_of` named, and the id of that volume.
    source: String,
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
            mount_options: key("mountopts"),
            mkfs_options: key("mkfsopts"),
            root: key("root"),
            subdirectory: key("subdir"),
            access: key("access"),
            source: key("source"),
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
        filesystem: Option<&str>,
        format: &str,
        request: &str,
    ) -> BTreeMap<String, String> {
        [(FROM, self.label.as_str()), (NAME, name), (&self.format, format), (&self.request, request)]
            .into_iter()
            .chain(filesystem.map(|filesystem| (FSTYPE, filesystem)))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    /// The keys an adoption writes, in the order in which they are taken away again: those that make the volume
    /// discoverable go last.
    pub(crate) fn of_adoption(&self) -> [&str; 7] {
        [&self.before, &self.mount_options, &self.subdirectory, &self.access, &self.origin, NAME, FROM]
    }

    /// What another host has to know of the request.
    pub(crate) fn of_request(
        &self,
        request: &Request,
        copied_from: Option<&str>,
    ) -> BTreeMap<String, String> {
        let id = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
        let mode = request.mode.map(|m| format!("{m:04o}")).unwrap_or_default();
        let shaped = request.uid.is_some() || request.gid.is_some() || request.mode.is_some();
        let source = request.snapshot_of.as_ref().zip(copied_from);
        [
            (&self.mount_options, request.mount_options.clone()),
            (&self.mkfs_options, request.mkfs_options.clone()),
            (&self.root, shaped.then(|| format!("{}:{}:{mode}", id(request.uid), id(request.gid)))),
            (&self.subdirectory, request.subdirectory.clone()),
            (&self.access, access(request)),
            (&self.source, source.map(|(text, id)| format!("{text} {id}"))),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.clone(), value?)))
        .collect()
    }

    /// What the maker's request said of use; nothing that cannot be is believed.
    pub(crate) fn request_of(&self, volume: &Volume) -> Request {
        let value = |key: &str| volume.metadata.get(key);
        // In words of the user, so that they are checked like his.
        let mut words = BTreeMap::new();
        let mut add = |key: &str, value: &str| {
            if !value.is_empty() {
                words.insert(key.to_owned(), value.to_owned());
            }
        };
        for (key, mark) in [
            ("mountopts", &self.mount_options),
            ("mkfsopts", &self.mkfs_options),
            ("subdir", &self.subdirectory),
        ] {
            add(key, value(mark).map_or("", String::as_str));
        }
        let root = value(&self.root).map_or("", String::as_str);
        root.split(':').zip(["uid", "gid", "mode"]).for_each(|(value, key)| add(key, value));
        let parsed = Request::parse("v", &words).unwrap_or_else(|error| {
            tracing::warn!(volume = volume.id, %error, "its marks cannot be read and do not count");
            Request::default()
        });
        let access = value(&self.access);
        let shared = access.and_then(|a| Filesystem::named(a)).filter(|f| f.is_shared());
        Request {
            // What says anything else is not to be written to, whatever that is.
            read_only: access.filter(|_| shared.is_none()).map(|_| true),
            filesystem: shared,
            snapshot_of: value(&self.source).and_then(|s| s.split_once(' ')).map(|(text, _)| text.to_owned()),
            ..parsed
        }
    }

    /// The volume it was copied from by way of a snapshot of ours.
    pub(crate) fn copied_from(&self, volume: &Volume) -> Option<String> {
        volume.metadata.get(&self.source)?.split_once(' ').map(|(_, id)| id.to_owned())
    }
}

fn access(request: &Request) -> Option<String> {
    match request.filesystem {
        _ if request.is_reader() => Some("ro".to_owned()),
        Some(shared) if shared.is_shared() => Some(shared.name().to_owned()),
        _ => None,
    }
}
