//! The keys of `-o`: ours, those that other drivers' users write, and those that are nobody's.

/// Every key that `-o` takes, in the order in which they are listed.
pub(super) const KEYS: [&str; 23] = [
    "availability_zone",
    "description",
    "different_host",
    "fstype",
    "gid",
    "group",
    "image",
    "mkfsopts",
    "mode",
    "mountopts",
    "multiattach",
    "ro",
    "same_host",
    "size",
    "snapshot_id",
    "snapshot_of",
    "source_volid",
    "subdir",
    "uid",
    "volume_id",
    "volume_provider",
    "volume_type",
    HINT,
];

/// What a hint for the scheduler begins with; its name follows.
pub(super) const HINT: &str = "hint:";

/// What REX-Ray's and Fuxi's users write for keys of ours; letters of either case.
const ALIASES: [(&str, &str); 9] = [
    ("availabilityzone", "availability_zone"),
    ("consistencygroup_id", "group"),
    ("fstype", "fstype"),
    ("group_id", "group"),
    ("imageref", "image"),
    ("snapshotid", "snapshot_id"),
    ("type", "volume_type"),
    ("volumeid", "volume_id"),
    ("volumetype", "volume_type"),
];

/// Keys of other drivers that mean nothing here, and what to use.
const REFUSED: [(&str, &str); 12] = [
    ("all_tenants", "volumes are those of this plugin's project"),
    ("consistency_group_id", "use group= with the id of a volume group"),
    ("encrypted", "encryption is a volume type's, and those that encrypt are not supported"),
    ("filemode", "use mode= for the mode of the volume's root"),
    ("force", "nothing is ever forced"),
    ("iops", "use volume_type= with a type whose QoS gives them"),
    ("preempt", "a volume is never taken from a living host; see kuryr volume fence"),
    ("project_id", "volumes are made in this plugin's project"),
    ("scheduler_hints", "use same_host=, different_host= or hint:KEY=VALUE"),
    ("snapshotname", "use snapshot_id= with the snapshot's id (openstack volume snapshot list)"),
    ("source_replica", "Cinder has no replicas any more; use snapshot_of= or source_volid="),
    ("user_id", "volumes are made by this plugin's user"),
];

/// What a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// One of ours; of a hint, its prefix.
    Known(&'static str),
    /// Another driver's; what to use.
    Refused(&'static str),
    /// Nobody's; the nearest, or all.
    Unknown(String),
}

pub(super) fn recognise(key: &str) -> Key {
    if key.starts_with(HINT) {
        return Key::Known(HINT);
    }
    if let Some(known) = KEYS.into_iter().find(|k| *k == key && *k != HINT) {
        return Key::Known(known);
    }
    let lower = key.to_ascii_lowercase();
    if let Some((_, known)) = ALIASES.into_iter().find(|(k, _)| *k == lower) {
        return Key::Known(known);
    }
    match REFUSED.into_iter().find(|(k, _)| *k == lower) {
        Some((_, instead)) => Key::Refused(instead),
        None => Key::Unknown(hint(key, &KEYS)),
    }
}

/// The nearest of the known keys, or all of them.
pub(crate) fn hint(key: &str, keys: &[&'static str]) -> String {
    let key = key.to_ascii_lowercase();
    // What users of other drivers write.
    let known: &[&str] = match key.as_str() {
        "type" | "volumetype" => &["volume_type", "share_type"],
        "fs" | "filesystem" | "fs_type" => &["fstype"],
        "az" | "zone" => &["availability_zone"],
        "id" | "share_id" => &["volume_id"],
        "proto" | "protocol" => &["share_proto"],
        "o" | "options" | "mount_options" => &["mountopts"],
        "network" => &["share_network"],
        "group" => &["share_group"],
        "snapshot" | "clone" | "copy_of" => &["snapshot_of", "snapshot_id"],
        "readonly" | "read_only" | "access" => &["ro"],
        "owner" | "user" => &["uid"],
        "path" | "directory" => &["subdir"],
        "mkfs_options" | "newfsopts" => &["mkfsopts"],
        _ => &[],
    };
    let known = known.iter().find(|k| keys.contains(k)).copied();
    let nearest = known.or_else(|| {
        let near = |k: &&str| distance(&key, k);
        // A short key is near to anything short.
        keys.iter().copied().min_by_key(near).filter(|k| near(k) <= (k.len() / 2).min(3))
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
