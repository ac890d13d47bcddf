//! The options that shape a volume's life, from its making to its last mount. Named after the hazards they answer where
//! there is one.

use std::sync::Arc;

use host_storage::{Root, Subdirectory};
use openstack::block_storage::{NewVolume, VolumeType};
use serde_json::{Value, json};

use super::options;
use crate::testing::{ADOPTABLE, World, foreign_filesystem, settings, volume};
use crate::{Content, Error, Service, Settings};

const SOMEBODY: &str = "dddddddd-0000-4000-8000-000000000001";

pub(super) fn made(world: &World) -> String {
    world.state().volumes.values().find(|v| v.name == "v" && v.status != "deleting").unwrap().id.clone()
}

fn asked(world: &World) -> NewVolume {
    world.state().asked.last().unwrap().clone()
}

fn kind(world: &World, id: &str) -> String {
    match &world.state().content[id] {
        Content::Filesystem { kind, .. } => kind.clone(),
        other => format!("{other:?}"),
    }
}

async fn error(service: &Service, pairs: &[(&str, &str)]) -> String {
    service.create("v", options(pairs)).await.unwrap_err().to_string()
}

/// A host that knows nothing but what the cloud tells.
pub(super) fn elsewhere(world: &Arc<World>) -> Service {
    world.journal.collection::<Value>("volumes").unwrap().remove("v").unwrap();
    world.service()
}

fn multi(names: &[&str]) -> Vec<VolumeType> {
    let kind = |name: &str, spec: &str| VolumeType {
        id: format!("id-{name}"),
        name: name.into(),
        extra_specs: [("multiattach".to_owned(), spec.to_owned())].into(),
    };
    let plain = VolumeType { id: "id-plain".into(), name: "plain".into(), extra_specs: Default::default() };
    names.iter().map(|n| kind(n, "<is> True")).chain([kind("not", "<is> False"), plain]).collect()
}

#[tokio::test]
async fn h04_fstype_is_honoured_and_what_is_there_is_what_is_mounted() {
    for fstype in ["ext4", "xfs", "btrfs"] {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[("fstype", fstype)])).await.unwrap();
        service.mount("v", "a").await.unwrap();
        let id = made(&world);
        assert_eq!(kind(&world, &id), fstype);
        assert_eq!(world.state().volumes[&id].metadata["fstype"], fstype);
    }
    // Of a copy it is a condition, not a wish.
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("source_volid", ADOPTABLE), ("fstype", "ext4")])).await.unwrap();
    let text = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("asked for with fstype=ext4 but carries xfs"), "{text}");
    assert!(world.state().mounts.is_empty() && world.state().attachments.is_empty());
}

#[tokio::test]
async fn everything_cinder_is_told_stands_in_the_request() {
    let world = World::new();
    let service = world.service();
    let pairs = [
        ("size", "3"),
        ("volume_type", "fast"),
        ("availability_zone", "az1"),
        ("description", "books"),
        ("group", SOMEBODY),
        ("different_host", SOMEBODY),
        ("hint:query", "x"),
    ];
    service.create("v", options(&pairs)).await.unwrap();
    let new = asked(&world);
    assert_eq!(
        (new.size, new.volume_type.as_deref(), new.description.as_deref()),
        (3, Some("fast"), Some("books"))
    );
    assert_eq!((new.availability_zone.as_deref(), new.group_id.as_deref()), (Some("az1"), Some(SOMEBODY)));
    assert_eq!(
        new.hints,
        [("different_host".to_owned(), json!([SOMEBODY])), ("query".to_owned(), json!("x"))].into()
    );
}

#[tokio::test]
async fn an_image_is_copied_and_never_formatted() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("image", SOMEBODY), ("size", "4")])).await.unwrap();
    assert_eq!(asked(&world).image.as_deref(), Some(SOMEBODY));
    // The double's image is empty: even that is not formatted.
    assert!(service.mount("v", "a").await.is_err());
    assert!(!world.state().host_calls.contains(&"format".to_owned()));
}

#[tokio::test]
async fn the_size_of_a_snapshot_is_read_from_it() {
    let world = World::new();
    let service = world.service();
    world.state().volumes.get_mut(ADOPTABLE).unwrap().size = 7;
    let snapshot =
        crate::BlockStorage::create_snapshot(&*world, ADOPTABLE, "s", &Default::default()).await.unwrap();
    service.create("v", options(&[("snapshot_id", &snapshot.id)])).await.unwrap();
    assert_eq!(asked(&world).size, 7);
}

#[tokio::test]
async fn multiattach_takes_the_only_type_that_allows_it_or_says_which_do() {
    let world = World::new();
    let service = world.service();
    let text = error(&service, &[("multiattach", "true")]).await;
    assert!(text.contains("this project sees none"), "{text}");
    world.state().types = multi(&["one", "two"]);
    let text = error(&service, &[("multiattach", "true")]).await;
    assert!(text.contains("choose with volume_type=") && text.ends_with("one, two"), "{text}");
    let text = error(&service, &[("multiattach", "true"), ("volume_type", "plain")]).await;
    assert!(text.contains("plain does not allow several attachments; these do: one, two"), "{text}");
    service.create("v", options(&[("multiattach", "true"), ("volume_type", "two")])).await.unwrap();
    assert_eq!(asked(&world).volume_type.as_deref(), Some("two"));
    service.remove("v").await.unwrap();

    world.state().types = multi(&["one"]);
    service.create("v", options(&[("multiattach", "yes")])).await.unwrap();
    assert_eq!(asked(&world).volume_type.as_deref(), Some("one"));
    let id = made(&world);
    assert!(world.state().volumes[&id].multiattach);
    service.create("v", options(&[("multiattach", "yes")])).await.unwrap();
    service.remove("v").await.unwrap();

    service.create("v", options(&[("multiattach", "false")])).await.unwrap();
    assert_eq!(asked(&world).volume_type, None);
    let text = error(&service, &[("multiattach", "true")]).await;
    assert!(text.contains("another multiattach"), "{text}");
}

#[tokio::test]
async fn the_configured_multiattach_type_comes_first() {
    let world = World::new();
    let configured =
        Settings { multiattach_type: Some("mine".into()), default_multiattach: true, ..settings() };
    let service = world.service_with(configured);
    service.create("v", options(&[])).await.unwrap();
    assert_eq!(asked(&world).volume_type.as_deref(), Some("mine"));
    assert!(!world.cloud_calls().contains(&"list volume types".to_owned()));
    service.create("w", options(&[("volume_type", "other")])).await.unwrap();
    assert_eq!(asked(&world).volume_type.as_deref(), Some("other"), "what is asked for counts more");
}

#[tokio::test]
async fn h53_an_unknown_name_makes_no_volume_where_that_is_forbidden() {
    let world = World::new();
    let service = world.service_with(Settings { implicit_create: false, ..settings() });
    let text = error(&service, &[]).await;
    assert!(text.contains("docker volume create -d fuxi -o size="), "{text}");
    assert_eq!(world.state().volumes.len(), 1);
    service.create("v", options(&[("size", "1")])).await.unwrap();
    service.create("v", options(&[])).await.unwrap();
}

#[tokio::test]
async fn h41_owner_mode_and_mkfs_options_are_for_the_first_mount_on_whatever_host() {
    let world = World::new();
    let pairs = [
        ("uid", "1000"),
        ("mode", "0750"),
        ("mkfsopts", "-m 0"),
        ("subdir", "data"),
        ("mountopts", "noatime"),
    ];
    world.service().create("v", options(&pairs)).await.unwrap();
    let other = elsewhere(&world);
    other.create("v", options(&pairs)).await.unwrap();
    let path = other.mount("v", "a").await.unwrap();
    assert_eq!(path.to_str(), Some("/volumes/v/data"));
    assert_eq!(other.path("v").await.unwrap(), Some(path.clone()));
    let id = made(&world);
    let root = Root { uid: Some(1000), gid: None, mode: Some(0o750) };
    assert_eq!(world.state().roots[&id], (root, Subdirectory::Named("data".into())));
    assert_eq!(world.state().mkfs_words[&id], "-m 0");
    assert_eq!(world.state().mount_words[&id], "noatime");
    world.state().precious.insert(id.clone());
    assert_eq!(other.mount("v", "b").await.unwrap(), path, "the second container gets the same place");
    other.unmount("v", "a").await.unwrap();
    other.unmount("v", "b").await.unwrap();

    let third = elsewhere(&world);
    assert_eq!(third.mount("v", "c").await.unwrap(), path);
    assert_eq!(world.state().roots[&id].0, Root::default(), "what has an owner keeps it");
    assert_eq!(world.state().mount_words[&id], "noatime");
    for (key, value) in
        [("subdir", "other"), ("mountopts", "nodev"), ("mode", "0700"), ("mkfsopts", "-m 1"), ("ro", "true")]
    {
        let mut differs: Vec<_> = pairs.into_iter().filter(|(k, _)| *k != key).collect();
        differs.push((key, value));
        if key == "ro" {
            continue;
        }
        assert!(matches!(third.create("v", options(&differs)).await, Err(Error::Conflict { .. })), "{key}");
    }
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn options_the_filesystem_does_not_take_are_refused_before_anything_is_made() {
    let world = World::new();
    let service = world.service();
    for (key, value) in
        [("mkfsopts", "-F"), ("mkfsopts", "-J device=/dev/sda"), ("mountopts", "compress=zstd")]
    {
        let text = error(&service, &[(key, value)]).await;
        assert!(text.contains("is not taken for ext4"), "{text}");
    }
    assert!(world.state().asked.is_empty() && world.journal_is_empty());
}

#[tokio::test]
async fn h40_rex_rays_directory_is_found_once_and_for_all() {
    for (rex_ray, place) in [(true, "/volumes/v/data"), (false, "/volumes/v")] {
        let world = World::new();
        if rex_ray {
            world.state().rex_rays.insert(ADOPTABLE.into());
        }
        let before = world.state().volumes.clone();
        let service = world.service();
        service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
        assert_eq!(service.mount("v", "a").await.unwrap().to_str(), Some(place));
        service.unmount("v", "a").await.unwrap();
        // What its containers write now makes it look like the other layout.
        world.state().rex_rays = if rex_ray { Default::default() } else { [ADOPTABLE.to_owned()].into() };
        assert_eq!(service.mount("v", "a").await.unwrap().to_str(), Some(place));
        service.unmount("v", "a").await.unwrap();
        let other = elsewhere(&world);
        assert_eq!(other.mount("v", "a").await.unwrap().to_str(), Some(place));
        other.unmount("v", "a").await.unwrap();
        other.remove("v").await.unwrap();
        assert_eq!(world.state().volumes, before, "given back as it was found");
    }
}

#[tokio::test]
async fn the_whole_of_a_rex_ray_volume_can_be_asked_for() {
    let world = World::new();
    world.state().rex_rays.insert(ADOPTABLE.into());
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE), ("subdir", "/")])).await.unwrap();
    assert_eq!(service.mount("v", "a").await.unwrap().to_str(), Some("/volumes/v"));
}

#[tokio::test]
async fn h42_what_was_not_just_made_is_checked_before_it_is_mounted() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert!(!world.state().host_calls.contains(&"check".to_owned()), "it was made this moment");
    service.unmount("v", "a").await.unwrap();
    world.state().host_calls.clear();
    service.mount("v", "a").await.unwrap();
    let calls = world.state().host_calls.clone();
    let at = |what: &str| calls.iter().position(|c| c == what);
    assert!(at("check") < at("mount") && at("check").is_some() && at("mount") < at("grow"), "{calls:?}");
}

#[tokio::test]
async fn h42_a_copied_or_adopted_xfs_is_mounted_beside_its_twin() {
    for (key, words) in [("source_volid", "nouuid"), ("volume_id", "nouuid"), ("size", "")] {
        let world = World::new();
        let service = world.service();
        let value = if key == "size" { "1" } else { ADOPTABLE };
        service.create("v", options(&[(key, value), ("fstype", "xfs")])).await.unwrap();
        service.mount("v", "a").await.unwrap();
        let mounted = world.state().mounts["v"].clone();
        assert_eq!(world.state().mount_words[&mounted], words, "{key}");
    }
}

#[tokio::test]
async fn h57_a_volume_that_grew_is_grown_at_its_next_mount() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("size", "1")])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    let id = made(&world);
    world.state().volumes.get_mut(&id).unwrap().size = 5;
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().grown[&id], 5 << 30);
}

#[tokio::test]
async fn a_snapshot_made_for_a_copy_goes_when_the_copy_is_made() {
    let world = World::new();
    let service = world.service();
    service.create("source", options(&[("size", "3")])).await.unwrap();
    let text = error(&service, &[("snapshot_of", "source")]).await;
    assert!(text.contains("was never mounted"), "{text}");
    let text = error(&service, &[("snapshot_of", "nobody")]).await;
    assert!(text.contains("there is no volume nobody to copy"), "{text}");
    service.mount("source", "a").await.unwrap();
    for source in ["source", ADOPTABLE] {
        let service = world.service();
        world.state().host_calls.clear();
        service.create("v", options(&[("snapshot_of", source)])).await.unwrap();
        assert!(world.state().snapshots.is_empty());
        let synced = world.state().host_calls.contains(&"sync".to_owned());
        assert_eq!(synced, source == "source", "what is mounted here is written back first");
        service.create("v", options(&[("snapshot_of", source)])).await.unwrap();
        assert!(matches!(
            service.create("v", options(&[("snapshot_of", "other")])).await,
            Err(Error::Conflict { .. })
        ));
        let other = elsewhere(&world);
        other.create("v", options(&[("snapshot_of", source)])).await.unwrap();
        other.mount("v", "b").await.unwrap();
        other.unmount("v", "b").await.unwrap();
        other.remove("v").await.unwrap();
        assert!(service.get("v").await.is_ok());
        world.state().volumes.retain(|_, v| v.status != "deleting");
    }
    assert_eq!(
        world.state().host_calls.iter().filter(|c| *c == "format").count(),
        0,
        "a copy is never formatted"
    );
}

#[tokio::test]
async fn a_snapshot_that_the_back_end_keeps_goes_with_the_copy() {
    let world = World::new();
    let service = world.service();
    world.state().snapshots_are_kept = true;
    service.create("v", options(&[("snapshot_of", ADOPTABLE)])).await.unwrap();
    let kept = world.state().snapshots.values().next().unwrap().clone();
    assert_eq!(kept.metadata["volume_from"], "fuxi", "marked");
    world.state().snapshots_are_kept = false;
    service.remove("v").await.unwrap();
    assert!(world.state().snapshots.is_empty());
    assert!(world.journal_is_empty());
}

/// An attachment of another host's, complete.
pub(super) fn attach_elsewhere(world: &World, id: &str, mode: &str) {
    let mut state = world.state();
    let attachment = openstack::block_storage::Attachment {
        id: format!("theirs-{mode}"),
        volume_id: id.into(),
        status: "attached".into(),
        instance: None,
        attach_mode: Some(mode.into()),
        connection_info: Default::default(),
    };
    state.attachments.insert(attachment.id.clone(), attachment);
    state.volumes.get_mut(id).unwrap().status = "in-use".into();
}

pub(super) fn sealed(world: &World) {
    world.state().volumes.get_mut(ADOPTABLE).unwrap().multiattach = true;
}

#[tokio::test]
async fn h03_many_read_and_none_beside_a_writer() {
    let world = World::new();
    sealed(&world);
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE), ("ro", "true")])).await.unwrap();
    attach_elsewhere(&world, ADOPTABLE, "rw");
    let text = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("attachment theirs-rw may write to it"), "{text}");
    assert_eq!(world.state().attachments.len(), 1, "undone, and the other is left alone");
    world.state().attachments.clear();
    attach_elsewhere(&world, ADOPTABLE, "null");
    assert!(service.mount("v", "a").await.is_err(), "what is not known to read only may write");
    world.state().attachments.clear();
    attach_elsewhere(&world, ADOPTABLE, "ro");
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().mount_words[ADOPTABLE], "ro,norecovery,nouuid");
    let own = world.state().attachments.values().find(|a| a.id != "theirs-ro").unwrap().clone();
    assert_eq!(own.attach_mode.as_deref(), Some("ro"), "the others can tell");
    let calls = world.state().host_calls.clone();
    assert!(
        calls.contains(&"check for reader".to_owned()) && !calls.contains(&"check".to_owned()),
        "{calls:?}"
    );
    assert!(!calls.contains(&"grow".to_owned()), "a reader grows nothing");
}

#[tokio::test]
async fn h03_one_writes_and_nobody_beside_him() {
    for mode in ["ro", "rw"] {
        let world = World::new();
        sealed(&world);
        let service = world.service();
        service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
        attach_elsewhere(&world, ADOPTABLE, mode);
        let text = service.mount("v", "a").await.unwrap_err().to_string();
        assert!(text.contains("exists elsewhere"), "{mode}: {text}");
        assert!(world.state().mounts.is_empty());
    }
}

#[tokio::test]
async fn a_reader_is_one_on_every_host_and_is_given_back() {
    let world = World::new();
    sealed(&world);
    let before = world.state().volumes.clone();
    world.service().create("v", options(&[("volume_id", ADOPTABLE), ("ro", "1")])).await.unwrap();
    let other = elsewhere(&world);
    other.mount("v", "a").await.unwrap();
    assert!(world.state().mount_words[ADOPTABLE].starts_with("ro,"));
    other.unmount("v", "a").await.unwrap();
    other.remove("v").await.unwrap();
    assert_eq!(world.state().volumes, before);
}

#[tokio::test]
async fn h03_a_filesystem_for_several_writers_is_mounted_when_asked_for_and_never_made() {
    let there = Content::Filesystem { kind: "ocfs2".into(), uuid: "u".into() };
    for (content, fstype, result) in [
        (there.clone(), Some("ocfs2"), Ok(())),
        (there, None, Err("mounted only when asked for")),
        (foreign_filesystem(), Some("ocfs2"), Err("was to carry a filesystem that several hosts write")),
        (Content::Blank, Some("ocfs2"), Err("never made here")),
    ] {
        let world = World::new();
        sealed(&world);
        world.state().content.insert(ADOPTABLE.into(), content);
        let mut pairs = vec![("volume_id", ADOPTABLE)];
        pairs.extend(fstype.map(|f| ("fstype", f)));
        world.service().create("v", options(&pairs)).await.unwrap();
        let service = elsewhere(&world);
        if fstype.is_some() {
            attach_elsewhere(&world, ADOPTABLE, "rw");
        }
        match (service.mount("v", "a").await, result) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
            (found, expected) => panic!("{found:?} instead of {expected:?}"),
        }
        assert!(!world.state().host_calls.contains(&"format".to_owned()));
    }
}

#[tokio::test]
async fn a_twin_that_fails_leaves_the_name_to_ours() {
    let world = World::new();
    let service = world.service();
    let mut twin = volume("00000000-0000-4000-8000-000000000000", "v", "creating");
    twin.created_at = "2026-01-01T00:00:00.000000".into();
    twin.metadata = crate::marks::Marks::new("fuxi").for_new("v", Some("ext4"), "pending", "theirs");
    assert_eq!(service.get("v").await.unwrap(), None);
    world.state().volumes.insert(twin.id.clone(), twin.clone());
    world.state().failing.insert(twin.id.clone());
    service.create("v", options(&[])).await.unwrap();
    let left: Vec<_> =
        world.state().volumes.values().filter(|v| v.name == "v").map(|v| v.status.clone()).collect();
    assert_eq!(left, ["error", "available"]);
    assert!(service.mount("v", "a").await.is_ok());
}

#[tokio::test]
async fn h15_of_many_twins_one_stays() {
    let world = World::new();
    let service = world.service();
    assert_eq!(service.get("v").await.unwrap(), None);
    for nth in 0..3 {
        let mut twin = volume(&format!("00000000-0000-4000-8000-00000000000{nth}"), "v", "available");
        (twin.size, twin.created_at) = (1, format!("2026-01-01T00:00:0{}.000000", 3 - nth));
        twin.metadata =
            crate::marks::Marks::new("fuxi").for_new("v", Some("ext4"), "pending", &format!("t{nth}"));
        world.state().volumes.insert(twin.id.clone(), twin);
    }
    service.create("v", options(&[])).await.unwrap();
    let ours =
        world.state().volumes.values().filter(|v| v.id.starts_with('b') && v.status != "deleting").count();
    assert_eq!(ours, 0, "the youngest takes itself away and touches no other");
    assert_eq!(world.state().volumes.values().filter(|v| v.id.starts_with('0')).count(), 3);
}
