//! What an operator does to a volume.

use openstack::block_storage::VolumeAttachment;

use super::options;
use crate::testing::{World, settings};
use crate::{Error, Settings};

/// A volume `v` that another host has, and that attachment's id.
async fn held_elsewhere(world: &std::sync::Arc<World>) -> (crate::Service, String) {
    let service = world.service();
    service.create("v", options(&[("size", "2")])).await.unwrap();
    let mut state = world.state();
    let volume = state.volumes.values_mut().find(|v| v.name == "v").unwrap();
    volume.status = "in-use".into();
    volume.attachments.push(VolumeAttachment {
        attachment_id: "att-9".into(),
        device: Some("node-9:/fuxi/data/v".into()),
        ..Default::default()
    });
    let id = volume.id.clone();
    state.attachments.insert(
        "att-9".into(),
        openstack::block_storage::Attachment {
            id: "att-9".into(),
            volume_id: id,
            status: "attached".into(),
            instance: None,
            attach_mode: None,
            connection_info: Default::default(),
        },
    );
    drop(state);
    (service, "att-9".to_owned())
}

#[tokio::test]
async fn h35_a_volume_of_another_host_is_taken_over_only_when_an_operator_vouches_for_its_death() {
    let world = World::new();
    let (service, attachment) = held_elsewhere(&world).await;
    let refused = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(refused.contains("held by node-9:/fuxi/data/v (attachment att-9)"), "{refused}");
    assert!(refused.contains("kuryr volume fence v"), "{refused}");
    assert_eq!(service.holders("v").await.unwrap()[0].attachment_id, attachment);
    // The name of an attachment that has gone fences nobody.
    let wrong = service.fence("v", "att-8").await.unwrap_err().to_string();
    assert!(wrong.contains("held by node-9"), "{wrong}");
    assert!(world.state().attachments.contains_key(&attachment));
    service.fence("v", &attachment).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn an_attachment_of_nova_and_ones_own_are_not_fenced() {
    let world = World::new();
    let (service, attachment) = held_elsewhere(&world).await;
    for volume in world.state().volumes.values_mut().filter(|v| v.name == "v") {
        volume.attachments[0].server_id = Some("server-1".into());
    }
    let error = service.fence("v", &attachment).await.unwrap_err().to_string();
    assert!(error.contains("openstack server remove volume server-1"), "{error}");

    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let own = service.show("v").await.unwrap().holders[0].clone();
    assert!(own.own && own.place.is_some_and(|p| p.ends_with(":/volumes/v")));
    let error = service.fence("v", &own.attachment_id).await.unwrap_err().to_string();
    assert!(error.contains("kuryr volume detach v"), "{error}");
    assert!(service.holders("v").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mounted_volume_grows_with_its_filesystem_and_never_shrinks() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("size", "2")])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert_eq!(service.extend("v", 5).await.unwrap(), 5);
    assert_eq!(world.state().grown.values().copied().collect::<Vec<_>>(), [5 << 30]);
    let error = service.extend("v", 4).await.unwrap_err().to_string();
    assert_eq!(error, "volume v: it has 5 GiB already; a volume cannot shrink");
    // Again, for one whose filesystem did not follow.
    assert_eq!(service.extend("v", 5).await.unwrap(), 5);
    service.unmount("v", "a").await.unwrap();
    assert_eq!(service.extend("v", 6).await.unwrap(), 6);
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn a_snapshot_is_taken_of_what_was_written_back() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().host_calls.clear();
    let made = service.snapshot("v", "before").await.unwrap();
    assert_eq!((made.name.as_str(), made.status.as_str()), ("before", "available"));
    assert_eq!(world.state().host_calls, ["sync"]);
    assert_eq!(service.snapshots("v").await.unwrap(), [made]);
    assert!(matches!(service.snapshot("none", "x").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_volume_is_detached_by_hand_unless_somebody_uses_it() {
    let world = World::new();
    let service =
        world.service_with(Settings { detach_delay: std::time::Duration::from_secs(60), ..settings() });
    service.create("v", options(&[])).await.unwrap();
    assert!(service.detach("v").await.unwrap_err().to_string().contains("not attached to this host"));
    service.mount("v", "a").await.unwrap();
    let id = service.show("v").await.unwrap().status["volume_id"].as_str().unwrap().to_owned();
    world.state().users.insert(id.clone());
    assert!(matches!(service.detach("v").await, Err(Error::InUse { .. })));
    world.state().users.clear();
    service.detach("v").await.unwrap();
    assert!(world.state().attachments.is_empty() && world.state().mounts.is_empty());
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn a_volume_that_another_host_removed_is_forgotten_but_only_if_cinder_says_so() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.list().await.unwrap();
    assert!(!world.journal_is_empty());
    let id = service.show("v").await.unwrap().status["volume_id"].as_str().unwrap().to_owned();
    // A list that lacks it proves nothing: it is asked for by itself.
    let volume = world.state().volumes.remove(&id).unwrap();
    world.state().cloud_down = true;
    service.list().await.unwrap();
    assert!(!world.journal_is_empty());
    world.state().cloud_down = false;
    let mut unmarked = volume;
    unmarked.metadata.clear();
    world.state().volumes.insert(id.clone(), unmarked);
    service.list().await.unwrap();
    assert!(!world.journal_is_empty());
    world.state().volumes.remove(&id);
    service.list().await.unwrap();
    assert!(world.journal_is_empty());
    assert!(service.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_attachment_that_nobody_completes_is_shown_and_can_be_fenced() {
    let world = World::new();
    let (service, attachment) = held_elsewhere(&world).await;
    world.state().attachments.get_mut(&attachment).unwrap().status = "reserved".into();
    for volume in world.state().volumes.values_mut().filter(|v| v.name == "v") {
        (volume.status, volume.attachments) = ("reserved".into(), Vec::new());
    }
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("is reserved") && error.contains("kuryr volume fence v"), "{error}");
    let holders = service.holders("v").await.unwrap();
    assert_eq!((holders[0].attachment_id.as_str(), holders[0].state.as_str()), ("att-9", "reserved"));
    service.fence("v", &attachment).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().crimes, [""; 0]);
}
