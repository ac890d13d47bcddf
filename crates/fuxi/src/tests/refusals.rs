//! What is refused says why in one line and leaves nothing behind.

use std::sync::Arc;

use super::options;
use crate::Content;
use crate::testing::{ADOPTABLE, World, volume};

async fn refuses(world: &Arc<World>, pairs: &[(&str, &str)], text: &str) {
    let before = world.state().volumes.clone();
    let error = world.service().create("v", options(pairs)).await.unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
    assert!(!error.contains('\n') && error.contains('v'), "{error}");
    let mut state = world.state();
    state.volumes.retain(|_, v| v.status != "deleting");
    assert_eq!(state.volumes, before);
    drop(state);
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_made() {
    let world = World::new();
    refuses(&world, &[("size", "0")], "at least 1 GiB").await;
    refuses(&world, &[("fstype", "ntfs")], "use ext4, xfs or btrfs").await;
    refuses(&world, &[("volume_id", "17")], "no UUID").await;
    refuses(&world, &[("fs_type", "ext4")], "did you mean `fstype`?").await;
    assert!(world.cloud_calls().is_empty());
    let service = world.service();
    for name in ["../etc", "", "a/b"] {
        assert!(service.create(name, options(&[])).await.is_err());
        assert!(service.mount(name, "a").await.is_err());
        assert!(service.remove(name).await.is_err());
        assert_eq!(service.get(name).await.unwrap(), None, "it cannot be ours");
    }
    assert!(service.mount("nobody", "a").await.unwrap_err().to_string().starts_with("no volume nobody"));
}

#[tokio::test]
async fn what_the_cloud_refuses_leaves_nothing() {
    let world = World::new();
    let absent = "dddddddd-0000-4000-8000-000000000001";
    refuses(&world, &[("volume_id", absent)], "there is no Cinder volume").await;
    world.state().next_create_errors = true;
    refuses(&world, &[], "Cinder could not make it").await;
    world.state().quota = true;
    refuses(&world, &[], "ask for more quota").await;
    world.state().cloud_down = true;
    refuses(&world, &[], "check that http://cinder is reachable").await;
}

#[tokio::test]
async fn a_full_disk_stops_a_creation_before_the_cloud_hears_of_it() {
    let world = World::new();
    // A directory in the place of the journal's temporary file.
    std::fs::create_dir_all(world.journal.path().join("volumes/.v.part")).unwrap();
    let service = world.service();
    let error = service.create("v", options(&[])).await.unwrap_err().to_string();
    assert!(error.contains("check that the disk is not full"), "{error}");
    assert!(!world.cloud_calls().contains(&"create volume".to_owned()));
}

#[tokio::test]
async fn a_full_disk_stops_a_mount_before_the_cloud_hears_of_it() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    world.cloud_calls();
    let part = world.journal.path().join("volumes/.v.part");
    std::fs::create_dir(&part).unwrap();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("check that the disk is not full"), "{error}");
    assert!(world.cloud_calls().is_empty());
    std::fs::remove_dir(&part).unwrap();
    service.mount("v", "a").await.unwrap();
    // The last Unmount still detaches: a full disk must not hold volumes on this host.
    std::fs::create_dir(&part).unwrap();
    let _ = service.unmount("v", "a").await;
    std::fs::remove_dir(&part).unwrap();
    service.unmount("v", "a").await.unwrap();
    assert!(world.state().attachments.is_empty());
}

#[tokio::test]
async fn the_same_options_again_are_fine_and_others_conflict() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("size", "2"), ("fstype", "xfs")])).await.unwrap();
    service.create("v", options(&[("size", "2GiB"), ("fstype", "xfs")])).await.unwrap();
    for (key, value) in [("size", "3"), ("fstype", "ext4"), ("volume_type", "fast"), ("volume_id", ADOPTABLE)]
    {
        let error = service.create("v", options(&[(key, value)])).await.unwrap_err().to_string();
        assert!(error.contains(&format!("another {key}")), "{error}");
    }
    assert_eq!(world.state().volumes.len(), 2);
}

#[tokio::test]
async fn h02_an_adopted_volume_keeps_the_users_metadata_and_is_given_back() {
    let world = World::new();
    world
        .state()
        .volumes
        .get_mut(ADOPTABLE)
        .unwrap()
        .metadata
        .insert("docker_volume_name".into(), "mine".into());
    let before = world.state().volumes.clone();
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
    assert!(service.mount("v", "a").await.is_ok());
    assert!(service.remove("v").await.unwrap_err().to_string().contains("stop that container"));
    service.unmount("v", "a").await.unwrap();
    service.remove("v").await.unwrap();
    assert_eq!(world.state().volumes, before);
    assert!(!world.state().host_calls.contains(&"format".to_owned()));
}

#[tokio::test]
async fn h07_what_is_not_blank_or_not_ours_is_never_formatted() {
    let cases = [
        (Content::Foreign("LUKS".into()), "carries LUKS"),
        (Content::Unreadable("I/O error".into()), "cannot be read"),
        (Content::Filesystem { kind: "ext4".into(), uuid: "other".into() }, "not the one we made"),
        (Content::Filesystem { kind: "vfat".into(), uuid: "other".into() }, "only ext4, xfs and btrfs"),
    ];
    for (content, text) in cases {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[])).await.unwrap();
        for (id, on_it) in world.state().content.iter_mut().filter(|(id, _)| *id != ADOPTABLE) {
            assert!(!id.is_empty());
            *on_it = content.clone();
        }
        let error = service.mount("v", "a").await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert!(world.state().attachments.is_empty(), "undone");
        assert!(!world.state().host_calls.contains(&"format".to_owned()));
    }
    let world = World::new();
    world.state().content.insert(ADOPTABLE.into(), Content::Blank);
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("run mkfs.ext4 on it"), "{error}");
}

#[tokio::test]
async fn h43_the_ciphertext_of_an_encrypted_volume_survives() {
    // New ciphertext looks blank, older like LUKS, data nobody knows, or the filesystem that was there before.
    let ours = Content::Filesystem { kind: "ext4".into(), uuid: "other".into() };
    let shown = [Content::Blank, Content::Foreign("LUKS".into()), Content::Foreign("data".into()), ours];
    for content in shown {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[])).await.unwrap();
        let before = {
            let mut state = world.state();
            state.volumes.values_mut().for_each(|v| v.encrypted = true);
            state.content.values_mut().for_each(|c| *c = content.clone());
            state.host_calls.clear();
            state.content.clone()
        };
        for _ in 0..2 {
            let error = service.mount("v", "a").await.unwrap_err().to_string();
            assert!(error.contains("Cinder encrypts it") && error.contains("-o volume_type="), "{error}");
        }
        let state = world.state();
        assert_eq!(state.content, before);
        for touched in ["connect", "inspect", "format", "mount"] {
            assert!(!state.host_calls.iter().any(|c| c == touched), "{:?}", state.host_calls);
        }
        assert!(state.attachments.is_empty(), "given back");
    }
}

#[tokio::test]
async fn h10_a_volume_attached_elsewhere_is_refused_with_its_holder() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    for volume in world.state().volumes.values_mut() {
        volume.status = "in-use".into();
        volume.attachments.push(openstack::block_storage::VolumeAttachment {
            attachment_id: "att-9".into(),
            server_id: Some("server-7".into()),
            ..Default::default()
        });
    }
    let mount = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(mount.contains("in-use, held by server server-7 (attachment att-9)"), "{mount}");
    let remove = service.remove("v").await.unwrap_err().to_string();
    assert!(remove.contains("held by server server-7"), "{remove}");
    assert_eq!(world.state().volumes.len(), 2);
}

#[tokio::test]
async fn a_volume_without_our_mark_does_not_exist_for_us() {
    let world = World::new();
    let service = world.service();
    assert_eq!(service.get("old").await.unwrap(), None);
    service.remove("old").await.unwrap();
    assert_eq!(world.state().volumes[ADOPTABLE], volume(ADOPTABLE, "old", "available"));
}

#[tokio::test]
async fn two_volumes_of_one_name_are_refused_with_their_ids() {
    let world = World::new();
    for id in ["id-1", "id-2"] {
        let mut twin = volume(id, "v", "available");
        twin.metadata = crate::marks::Marks::new("fuxi").for_new("v", Some("ext4"), "pending", id);
        world.state().volumes.insert(id.into(), twin);
    }
    let error = world.service().get("v").await.unwrap_err().to_string();
    assert!(error.contains("id-1, id-2"), "{error}");
}
