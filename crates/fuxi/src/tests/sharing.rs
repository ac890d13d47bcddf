//! Several containers, several hosts, several processes.

use std::time::Duration;

use super::options;
use crate::Error;
use crate::testing::{ADOPTABLE, World, settings, volume};

/// Starts an operation and goes away, as a client does whose connection breaks.
async fn abandon<T>(operation: impl Future<Output = T>) {
    let mut operation = Box::pin(operation);
    std::future::poll_fn(|context| {
        assert!(operation.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn docker_cp_on_a_running_container_does_not_unmount_its_volume() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let id = world.state().mounts["v"].clone();
    world.state().users.insert(id.clone());
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    assert!(service.path("v").await.unwrap().is_some());
    world.state().users.clear();
    service.unmount("v", "a").await.unwrap();
    assert!(world.state().attachments.is_empty());
}

#[tokio::test]
async fn h34_a_volume_that_a_container_shows_stays_attached_and_goes_later() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let id = world.state().mounts["v"].clone();
    world.state().users.insert(id);
    service.unmount("v", "a").await.unwrap();
    service.sweep().await;
    assert_eq!(world.state().attachments.len(), 1);
    assert!(matches!(service.remove("v").await, Err(Error::InUse { .. })));
    world.state().users.clear();
    service.sweep().await;
    assert!(world.state().attachments.is_empty());
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn h37_a_restarted_plugin_keeps_what_is_used_and_detaches_what_is_not() {
    let world = World::new();
    let service = world.service();
    for name in ["used", "idle"] {
        service.create(name, options(&[])).await.unwrap();
        service.mount(name, name).await.unwrap();
    }
    let id = world.state().mounts["used"].clone();
    world.state().users.insert(id);
    let service = world.service();
    service.recover().await;
    assert_eq!(world.state().mounts.keys().cloned().collect::<Vec<_>>(), ["used"]);
    assert!(service.path("used").await.unwrap().is_some());
    world.cloud_calls();
    service.mount("used", "second").await.unwrap();
    assert!(world.cloud_calls().is_empty());
}

#[tokio::test]
async fn h12_a_reboot_voids_references_and_mounts() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().boot_id = "boot-2".into();
    world.state().mounts.clear();
    let service = world.service();
    service.recover().await;
    assert!(world.state().attachments.is_empty());
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().host_calls.iter().filter(|c| *c == "format").count(), 1);
}

#[tokio::test]
async fn a_mount_within_the_delay_cancels_the_detach() {
    let world = World::new();
    let service =
        world.service_with(crate::Settings { detach_delay: Duration::from_millis(100), ..settings() });
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    world.cloud_calls();
    service.mount("v", "b").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(world.cloud_calls().is_empty());
    service.unmount("v", "b").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.cloud_calls(), ["delete attachment"]);
}

#[tokio::test]
async fn h15_the_older_of_two_twins_stays_and_the_younger_takes_itself_away() {
    let world = World::new();
    let service = world.service();
    assert_eq!(service.get("v").await.unwrap(), None);
    // Another host was faster, after our look.
    let mut twin = volume("00000000-0000-4000-8000-000000000000", "v", "available");
    (twin.size, twin.created_at) = (1, "2026-01-01T00:00:00.000000".into());
    twin.metadata = crate::marks::Marks::new("fuxi").for_new("v", Some("ext4"), "pending", "theirs");
    world.state().volumes.insert(twin.id.clone(), twin.clone());
    world.state().content.insert(twin.id.clone(), crate::Content::Blank);
    service.create("v", options(&[])).await.unwrap();
    let left: Vec<_> =
        world.state().volumes.values().filter(|v| v.status != "deleting").map(|v| v.id.clone()).collect();
    assert_eq!(left, [twin.id.clone(), ADOPTABLE.to_owned()]);
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().mounts["v"], twin.id);
}

#[tokio::test]
async fn another_host_finds_mounts_and_removes_the_volume() {
    let (here, there) = (World::new(), World::new());
    let service = here.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    {
        let (mut from, mut to) = (here.state(), there.state());
        (to.volumes, to.content) = (std::mem::take(&mut from.volumes), std::mem::take(&mut from.content));
        to.precious = from.precious.clone();
    }
    let other = there.service();
    assert!(other.get("v").await.unwrap().is_some());
    other.mount("v", "b").await.unwrap();
    assert!(!there.state().host_calls.contains(&"format".to_owned()));
    other.unmount("v", "b").await.unwrap();
    assert!(there.journal_is_empty());
    other.remove("v").await.unwrap();
    assert_eq!(there.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn h16_the_work_goes_on_when_the_caller_has_gone_and_a_repeat_joins_it() {
    let world = World::new();
    let service = world.service();
    abandon(service.create("v", options(&[]))).await;
    service.create("v", options(&[])).await.unwrap();
    assert_eq!(world.cloud_calls().iter().filter(|c| *c == "create volume").count(), 1);
}

#[tokio::test]
async fn h56_a_known_volume_is_never_missing_while_the_cloud_is_down() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    world.state().cloud_down = true;
    assert!(service.get("v").await.unwrap().is_some());
    assert_eq!(service.list().await.unwrap().len(), 1);
    let unknown = service.get("w").await.unwrap_err();
    assert!(unknown.is_cloud_unreachable(), "{unknown}");
}

#[tokio::test]
async fn a_mount_whose_caller_died_is_rolled_back() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    abandon(service.mount("v", "a")).await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if world.state().cloud_calls.contains(&"delete attachment".to_owned()) {
            break;
        }
    }
    assert!(world.state().attachments.is_empty() && world.state().mounts.is_empty());
}
