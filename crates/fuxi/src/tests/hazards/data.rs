//! What could cost data.

use crate::testing::{ADOPTABLE, Fault, World};
use crate::tests::life::{attach_elsewhere, sealed};
use crate::tests::options;

#[tokio::test]
async fn h01_no_failure_of_a_mount_is_answered_with_a_new_filesystem() {
    for pair in [("size", "1"), ("source_volid", ADOPTABLE), ("volume_id", ADOPTABLE)] {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[pair])).await.unwrap();
        service.mount("v", "a").await.unwrap();
        service.unmount("v", "a").await.unwrap();
        let kept = world.state().content.clone();
        world.state().host_calls.clear();
        let mut failures = 0;
        for nth in 0.. {
            world.plan(nth, Fault::Fails);
            let result = service.mount("v", "a").await;
            if !world.fault_happened() {
                result.unwrap();
                break;
            }
            failures += u32::from(result.is_err());
            service.unmount("v", "a").await.unwrap();
            service.sweep().await;
        }
        assert!(failures >= 4, "claim, connect, check and mount can fail: {failures}");
        let state = world.state();
        assert_eq!(state.content, kept, "{pair:?}");
        assert!(!state.host_calls.contains(&"format".to_owned()), "{pair:?}: {:?}", state.host_calls);
        assert_eq!(state.crimes, [""; 0]);
    }
}

#[tokio::test]
async fn h09_a_volume_is_attached_from_its_first_mount_to_its_last_unmount_and_no_longer() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.get("v").await.unwrap();
    service.list().await.unwrap();
    assert!(world.state().attachments.is_empty());
    service.mount("v", "a").await.unwrap();
    service.mount("v", "b").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    assert_eq!(world.state().attachments.len(), 1);
    service.unmount("v", "b").await.unwrap();
    assert!(world.state().attachments.is_empty() && world.state().connected.is_empty());
}

#[tokio::test]
async fn h14_an_attachment_outlives_the_device_that_came_by_it() {
    let mut failures = 0;
    for nth in 0.. {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[])).await.unwrap();
        service.mount("v", "a").await.unwrap();
        world.plan(nth, Fault::Fails);
        let result = service.unmount("v", "a").await;
        if !world.fault_happened() {
            break;
        }
        failures += u32::from(result.is_err());
        // A device without an attachment may show another volume's data tomorrow.
        assert!(world.state().connected.is_empty() || !world.state().attachments.is_empty(), "call {nth}");
        service.sweep().await;
        let state = world.state();
        assert!(state.connected.is_empty() && state.attachments.is_empty(), "call {nth}: {state:?}");
        assert_eq!(state.crimes, [""; 0], "call {nth}");
    }
    assert!(failures >= 4, "unmount, release, disconnect and detach can fail: {failures}");
}

#[tokio::test]
async fn h36_a_detach_ends_ones_own_attachment_and_no_other() {
    let world = World::new();
    sealed(&world);
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE), ("ro", "true")])).await.unwrap();
    attach_elsewhere(&world, ADOPTABLE, "ro");
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().attachments.len(), 2);
    service.unmount("v", "a").await.unwrap();
    assert_eq!(world.state().attachments.keys().cloned().collect::<Vec<_>>(), ["theirs-ro"]);
    let error = service.remove("v").await.unwrap_err().to_string();
    assert!(error.contains("held by another host"), "{error}");
    assert_eq!(world.state().attachments.len(), 1);
}

#[tokio::test]
async fn h52_of_two_containers_the_one_that_ends_takes_nothing_from_the_other() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    let path = service.mount("v", "a").await.unwrap();
    service.mount("v", "b").await.unwrap();
    world.state().host_calls.clear();
    service.unmount("v", "a").await.unwrap();
    assert!(!world.state().host_calls.contains(&"unmount".to_owned()), "not even tried");
    let id = world.state().mounts["v"].clone();
    world.state().users.insert(id);
    // Told twice, and once by somebody who never had it.
    service.unmount("v", "a").await.unwrap();
    service.unmount("v", "c").await.unwrap();
    assert_eq!(service.path("v").await.unwrap(), Some(path));
    assert_eq!(world.state().attachments.len(), 1);
    world.state().users.clear();
    service.unmount("v", "b").await.unwrap();
    assert!(world.state().attachments.is_empty());
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn h15_mounts_at_the_same_time_are_one_attachment_and_one_mount() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    world.cloud_calls();
    world.state().host_calls.clear();
    let (a, b, c) = tokio::join!(service.mount("v", "a"), service.mount("v", "b"), service.mount("v", "c"));
    assert_eq!((a.unwrap(), b.unwrap()), (c.as_ref().unwrap().clone(), c.unwrap()));
    let attached = world.cloud_calls().into_iter().filter(|c| c == "create attachment").count();
    let connected = world.state().host_calls.iter().filter(|c| *c == "connect").count();
    assert_eq!((attached, connected), (1, 1));
    for id in ["a", "b"] {
        service.unmount("v", id).await.unwrap();
        assert_eq!(world.state().attachments.len(), 1, "the others still have it");
    }
    service.unmount("v", "c").await.unwrap();
    assert!(world.state().attachments.is_empty());
}
