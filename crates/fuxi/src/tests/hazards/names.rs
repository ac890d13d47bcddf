//! By what a volume is known, and what is told about it.

use crate::testing::{ADOPTABLE, World, volume};
use crate::tests::life::{elsewhere, made};
use crate::tests::options;

#[tokio::test]
async fn h11_removing_what_nobody_has_succeeds_and_changes_nothing() {
    let world = World::new();
    let before = world.state().volumes.clone();
    let service = world.both(&crate::Provider::ALL);
    service.remove("nobody").await.unwrap();
    // Of that name in Cinder, but nobody's here.
    service.remove("old").await.unwrap();
    let asked = world.cloud_calls();
    assert!(asked.iter().all(|c| c.starts_with("list ")), "{asked:?}");
    assert_eq!(world.state().volumes, before);
    // Not to be taken for an answer that never came.
    world.state().cloud_down = true;
    assert!(service.remove("somebody").await.is_err());
}

#[tokio::test]
async fn h23_a_volume_renamed_in_the_cloud_is_still_the_same_one() {
    let world = World::new();
    world.service().create("v", options(&[("size", "1")])).await.unwrap();
    let id = made(&world);
    world.state().volumes.get_mut(&id).unwrap().name = "renamed".into();
    // Its old name is given to a volume that is nobody's here.
    let theirs = "dddddddd-0000-4000-8000-000000000009";
    world.state().volumes.insert(theirs.into(), volume(theirs, "v", "available"));
    let service = elsewhere(&world);
    assert_eq!(service.get("renamed").await.unwrap(), None);
    service.create("v", options(&[("size", "1")])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().mounts["v"], id);
    service.unmount("v", "a").await.unwrap();
    service.remove("v").await.unwrap();
    let state = world.state();
    assert_eq!(state.volumes[theirs], volume(theirs, "v", "available"));
    assert!(state.volumes.get(&id).is_none_or(|v| v.status == "deleting"));
}

#[tokio::test]
async fn h30_what_the_cloud_calls_this_host_plays_no_part() {
    for shown in [None, Some("some-other-host")] {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[("size", "1")])).await.unwrap();
        let path = service.mount("v", "a").await.unwrap();
        let id = made(&world);
        world.state().users.insert(id.clone());
        // Cinder tells the host's name to administrators only, and writes it in its own way.
        for attachment in &mut world.state().volumes.get_mut(&id).unwrap().attachments {
            attachment.host_name = shown.map(str::to_owned);
        }
        let service = world.service();
        service.recover().await;
        assert_eq!(service.mount("v", "b").await.unwrap(), path, "{shown:?}");
        world.state().users.clear();
        service.unmount("v", "a").await.unwrap();
        service.unmount("v", "b").await.unwrap();
        assert!(world.state().attachments.is_empty(), "{shown:?}");
        service.mount("v", "c").await.unwrap();
        assert_eq!(world.state().crimes, [""; 0]);
    }
}

#[tokio::test]
async fn h60_inspect_tells_what_it_is_where_it_is_and_what_went_wrong() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("size", "3"), ("volume_type", "fast")])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let (id, attachment) = (made(&world), world.state().attachments.keys().next().unwrap().clone());
    let shown = service.get("v").await.unwrap().unwrap();
    assert_eq!(shown.mountpoint.unwrap().to_str(), Some("/volumes/v"));
    assert_eq!(shown.created_at.as_deref(), Some("2026-01-02T03:04:05Z"));
    for (key, value) in [
        ("provider", "cinder"),
        ("volume_id", &id),
        ("origin", "created"),
        ("state", "attached"),
        ("volume_type", "fast"),
        ("attachment_id", &attachment),
    ] {
        assert_eq!(shown.status[key], value, "{key}");
    }
    assert_eq!(shown.status["size_gib"], 3);
    assert!(shown.status["format"].as_str().unwrap().starts_with("ext4:"), "{:?}", shown.status);
    service.unmount("v", "a").await.unwrap();
    assert!(!service.get("v").await.unwrap().unwrap().status.contains_key("attachment_id"));

    world.state().content.insert(id, crate::Content::Foreign("LUKS".into()));
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    let trouble = service.get("v").await.unwrap().unwrap().status["trouble"].clone();
    assert_eq!(trouble.as_str(), Some(error.as_str()));
    assert_ne!(made(&world), ADOPTABLE);
}
