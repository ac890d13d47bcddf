//! A host that is a server of Nova's.

use std::time::Duration;

use openstack::block_storage::Attachment;

use super::faults::{Step, survives_in};
use super::options;
use crate::testing::{ADOPTABLE, Fault, SERVER, World, settings};
use crate::{Error, Settings};

#[tokio::test]
async fn h45_a_volume_comes_through_nova_and_goes_back_through_it() {
    let world = World::in_server();
    // An order is given again after ten of these, and a busy machine is slow.
    let service = world.service_with(Settings { poll_longest: Duration::from_secs(1), ..settings() });
    service.create("v", options(&[("size", "2")])).await.unwrap();
    world.cloud_calls();
    service.mount("v", "a").await.unwrap();
    assert_eq!(
        world.cloud_calls(),
        ["list attachments", "attach to server", "get volume", "get volume", "get volume", "merge metadata",]
    );
    let held = world.state().volumes.values().find(|v| v.status == "in-use").unwrap().clone();
    assert_eq!(held.attachments[0].server_id.as_deref(), Some(SERVER));
    service.unmount("v", "a").await.unwrap();
    let calls = world.cloud_calls();
    assert_eq!(calls.iter().filter(|c| *c == "detach from server").count(), 1, "{calls:?}");
    assert_eq!(calls.last().map(String::as_str), Some("look at server"), "Nova forgets last: {calls:?}");
    assert!(!calls.contains(&"delete attachment".to_owned()));
    let state = world.state();
    assert!(state.attachments.is_empty() && state.server_disks.is_empty(), "{state:?}");
    assert_eq!(state.crimes, Vec::<String>::new());
}

#[tokio::test]
async fn a_mount_through_nova_survives_a_fault_at_any_call() {
    survives_in(World::in_server, &[Step::Create], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn a_mount_of_an_adopted_volume_through_nova_survives_a_fault_at_any_call() {
    survives_in(World::in_server, &[Step::Adopt], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn an_unmount_through_nova_survives_a_fault_at_any_call() {
    let before = [Step::Create, Step::Mount];
    survives_in(World::in_server, &before, Step::Unmount, &[Step::Mount, Step::Unmount]).await;
}

#[tokio::test]
async fn a_removal_in_a_server_survives_a_fault_at_any_call() {
    survives_in(World::in_server, &[Step::Create, Step::Mount, Step::Unmount], Step::Remove, &[]).await;
}

/// A mount that is refused and leaves nothing behind.
async fn refusal(world: &std::sync::Arc<World>) -> Error {
    let service = world.service();
    service.create("v", options(&[("size", "2")])).await.unwrap();
    let error = service.mount("v", "a").await.unwrap_err();
    let state = world.state();
    assert!(state.mounts.is_empty() && state.connected.is_empty(), "{state:?}");
    assert_eq!(state.crimes, Vec::<String>::new());
    error
}

#[tokio::test]
async fn h32_a_machine_that_does_not_know_itself_attaches_nothing() {
    let world = World::in_server();
    world.state().stranger = true;
    let text = refusal(&world).await.to_string();
    assert_eq!(text, "volume v: cannot tell which server this machine is");
    assert!(!world.cloud_calls().contains(&"attach to server".to_owned()));
    assert!(world.state().attachments.is_empty());
}

#[tokio::test]
async fn what_nova_refuses_is_told_with_what_to_do() {
    for (status, message, advice) in [
        (403, "The maximum allowed number of disk devices (26)", "max_disk_devices_to_attach"),
        (409, "Cannot 'attach_volume' instance while it is in vm_state error", "openstack server show"),
        (404, "Instance could not be found", "credentials of the server's project"),
    ] {
        let world = World::in_server();
        world.state().server_refuses = Some((status, message));
        let text = refusal(&world).await.to_string();
        assert!(text.contains(message) && text.contains(advice), "{text}");
        assert!(world.state().attachments.is_empty());
    }
}

#[tokio::test]
async fn a_disk_that_never_comes_leaves_the_volume_free() {
    let world = World::in_server();
    world.state().next_disk_vanishes = true;
    let text = refusal(&world).await.to_string();
    assert!(text.contains("Nova could not attach it to this server"), "{text}");
    assert!(world.state().attachments.is_empty());
    world.service().mount("v", "a").await.unwrap();
}

#[tokio::test]
async fn a_disk_that_the_server_kept_is_asked_for_again() {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().next_disk_is_kept = true;
    world.cloud_calls();
    service.unmount("v", "a").await.unwrap();
    let orders = world.cloud_calls().iter().filter(|c| *c == "detach from server").count();
    // On a busy machine it may be asked more often.
    assert!(orders >= 2, "{orders}");
    assert!(world.state().attachments.is_empty());
}

#[tokio::test]
async fn a_volume_that_this_server_has_from_somebody_else_is_left_alone() {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
    let theirs = Attachment {
        attach_mode: None,
        id: "theirs".into(),
        volume_id: ADOPTABLE.into(),
        status: "attached".into(),
        instance: Some(SERVER.into()),
        connection_info: serde_json::Map::new(),
    };
    world.state().attachments.insert("theirs".into(), theirs);
    world.state().server_disks.insert(ADOPTABLE.into());
    world.state().volumes.get_mut(ADOPTABLE).unwrap().status = "in-use".into();
    let text = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("this server has it already (attachment theirs), but not from us"), "{text}");
    service.recover().await;
    service.sweep().await;
    assert_eq!(world.state().attachments["theirs"].status, "attached");
}

#[tokio::test]
async fn an_attach_whose_answer_is_lost_is_undone_even_if_it_takes_effect_later() {
    let world = World::in_server();
    let patient = Settings { lost_after: Duration::from_millis(100), ..settings() };
    let service = world.service_with(patient);
    service.create("v", options(&[])).await.unwrap();
    // Nothing is executed when the caller gives up; it is a moment later.
    world.state().late_attach = true;
    service.mount("v", "a").await.unwrap_err();
    assert!(world.state().attachments.is_empty(), "{:?}", world.state());
    assert!(world.state().late_volume.is_none(), "it did take effect");
    service.mount("v", "a").await.unwrap();
}

#[tokio::test]
async fn a_volume_attached_through_nova_waits_for_nova_when_the_connector_was_changed() {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    drop(service);
    world.state().in_server = false;
    let service = world.service();
    let text = service.unmount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("volume_connector = openstack until it is detached"), "{text}");
    assert_eq!(world.state().crimes, Vec::<String>::new());
    drop(service);
    world.state().in_server = true;
    world.service().recover().await;
    assert!(world.state().attachments.is_empty());
}

#[tokio::test]
async fn h46_a_server_that_does_not_let_go_is_tried_again_later() {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().disks_stick = true;
    let text = service.unmount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("this server still has it"), "{text}");
    assert!(service.remove("v").await.is_err(), "`detaching` is not detached");
    world.state().disks_stick = false;
    service.sweep().await;
    assert!(world.state().attachments.is_empty());
    service.remove("v").await.unwrap();
}

#[tokio::test]
async fn a_faulty_look_on_the_way_changes_nothing() {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    // list, attach, and the third call looks at the volume.
    world.plan(2, Fault::Fails);
    service.mount("v", "a").await.unwrap();
    assert!(world.fault_happened());
}

/// A volume `v` that the other server has, whose state Nova calls that.
async fn held_by_other(state: Option<&'static str>) -> (std::sync::Arc<World>, crate::Service) {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[("size", "2")])).await.unwrap();
    let id = world.state().volumes.values().find(|v| v.name == "v").unwrap().id.clone();
    world.state().other_server = state;
    world.state().give_to_other(&id);
    (world, service)
}

#[tokio::test]
async fn h35_a_volume_is_taken_from_a_server_that_is_off_or_gone() {
    for state in [Some("SHUTOFF"), None] {
        let (world, service) = held_by_other(state).await;
        service.mount("v", "a").await.unwrap();
        let state = world.state();
        assert!(!state.attachments.contains_key("other-attachment"));
        assert_eq!(state.crimes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn h35_a_volume_of_a_server_that_may_run_is_left_to_it() {
    for state in ["ACTIVE", "ERROR", "PAUSED", "UNKNOWN", "REBOOT"] {
        let (world, service) = held_by_other(Some(state)).await;
        let error = service.mount("v", "a").await.unwrap_err().to_string();
        assert!(error.contains("other-attachment"), "{state}: {error}");
        let state = world.state();
        assert!(state.attachments.contains_key("other-attachment"));
        assert_eq!(state.crimes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn h35_credentials_that_do_not_see_this_server_prove_nobodys_death() {
    let (world, service) = held_by_other(None).await;
    world.state().nova_is_blind = true;
    service.mount("v", "a").await.unwrap_err();
    assert!(world.state().attachments.contains_key("other-attachment"));
    assert_eq!(world.state().crimes, Vec::<String>::new());
}
