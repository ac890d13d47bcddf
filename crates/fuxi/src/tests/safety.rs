//! What another host, another program or a lost message did must not cost data.

use std::sync::Arc;
use std::time::Duration;

use host_storage::Filesystem;
use serde_json::Value;

use super::options;
use crate::testing::{ADOPTABLE, Fault, World, foreign_filesystem, settings, volume};
use crate::{Content, Error, Settings};

/// Changes what the journal says of `v`, as a crash or time would have.
fn rewrite(world: &Arc<World>, key: &str, value: impl Into<Value>) {
    let journal = world.journal.collection::<Value>("volumes").unwrap();
    let mut entry = journal.get("v").unwrap().unwrap();
    entry[key] = value.into();
    journal.put("v", &entry).unwrap();
}

fn made(world: &Arc<World>) -> String {
    world.state().volumes.keys().find(|id| *id != ADOPTABLE).unwrap().clone()
}

fn statuses(world: &Arc<World>) -> Vec<String> {
    world.state().volumes.values().map(|v| v.status.clone()).collect()
}

fn formats(world: &Arc<World>) -> usize {
    world.state().host_calls.iter().filter(|c| *c == "format").count()
}

#[tokio::test]
async fn a_volume_of_openstacks_fuxi_is_found_by_one_call_mounted_as_it_is_and_never_deleted() {
    let world = World::new();
    let mut theirs = volume("old-1", "v", "available");
    theirs.metadata = options(&[("volume_from", "fuxi"), ("fstype", "ext4")]);
    world.state().volumes.insert("old-1".into(), theirs.clone());
    world.state().content.insert("old-1".into(), foreign_filesystem());
    world.state().precious.insert("old-1".into());
    let service = world.service();
    assert!(service.get("v").await.unwrap().is_some());
    assert_eq!(world.cloud_calls(), ["list volumes"]);
    assert!(service.list().await.unwrap().iter().any(|v| v.name == "v"));
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    assert!(world.state().attachments.is_empty());
    let error = service.remove("v").await.unwrap_err().to_string();
    assert!(error.ends_with("openstack volume delete old-1"), "{error}");
    assert_eq!(world.state().volumes["old-1"], theirs);
    assert_eq!((formats(&world), world.state().crimes.len()), (0, 0));
}

#[tokio::test]
async fn a_copy_that_was_used_is_not_taken_for_an_unfinished_one() {
    for used in [true, false] {
        let world = World::new();
        let service = world.service();
        service.create("v", options(&[("source_volid", ADOPTABLE)])).await.unwrap();
        let id = made(&world);
        world.state().content.insert(id.clone(), foreign_filesystem());
        if used {
            service.mount("v", "a").await.unwrap();
            service.unmount("v", "a").await.unwrap();
        }
        rewrite(&world, "stage", "creating");
        world.service().recover().await;
        assert_eq!(world.state().volumes[&id].status == "available", used);
        assert_eq!(formats(&world), 0);
    }
}

#[tokio::test]
async fn removing_a_volume_whose_creation_was_cut_but_which_was_used_removes_it() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    rewrite(&world, "stage", "creating");
    world.service().remove("v").await.unwrap();
    assert!(world.journal_is_empty());
    assert!(!world.state().volumes.values().any(|v| v.name == "v" && v.status == "available"));
}

#[tokio::test]
async fn a_volume_adopted_anew_by_another_host_is_left_to_it() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
    let renamed = ("docker_volume_name".to_owned(), "w".to_owned());
    world.state().volumes.get_mut(ADOPTABLE).unwrap().metadata.extend([renamed]);
    let theirs = world.state().volumes[ADOPTABLE].clone();
    service.remove("v").await.unwrap();
    assert_eq!(world.state().volumes[ADOPTABLE], theirs);
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn a_type_that_encrypts_is_refused_at_creation_and_leaves_nothing() {
    let world = World::new();
    world.state().next_create_encrypts = true;
    let error = world.service().create("v", options(&[])).await.unwrap_err().to_string();
    assert!(error.contains("its volume type encrypts"), "{error}");
    assert!(world.journal_is_empty());
    assert!(statuses(&world).iter().filter(|s| *s != "deleting").count() == 1);
}

#[tokio::test]
async fn another_host_makes_the_filesystem_that_the_maker_was_asked_for() {
    let world = World::new();
    world.service().create("v", options(&[("fstype", "xfs")])).await.unwrap();
    world.journal.collection::<Value>("volumes").unwrap().remove("v").unwrap();
    let other = world.service();
    other.create("v", options(&[("fstype", "xfs")])).await.unwrap();
    assert!(matches!(other.create("v", options(&[("fstype", "ext4")])).await, Err(Error::Conflict { .. })));
    other.mount("v", "a").await.unwrap();
    let id = made(&world);
    assert!(matches!(&world.state().content[&id], Content::Filesystem { kind, .. } if kind == "xfs"));
}

#[tokio::test]
async fn a_copy_made_elsewhere_fits_the_same_request() {
    let world = World::new();
    let request = || options(&[("source_volid", ADOPTABLE)]);
    world.service().create("v", request()).await.unwrap();
    world.journal.collection::<Value>("volumes").unwrap().remove("v").unwrap();
    world.service().create("v", request()).await.unwrap();
    assert_eq!(world.state().volumes.len(), 2);
}

#[tokio::test]
async fn h01_a_blank_device_is_not_formatted_when_another_host_has_marked_the_volume_long_ago() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    rewrite(&world, "since", 1_000_000_000);
    let mark = crate::content::format_mark(Filesystem::Ext4, &made(&world));
    let id = made(&world);
    world.state().volumes.get_mut(&id).unwrap().metadata.insert("fuxi_fs".into(), mark);
    let error = world.service().mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("it was formatted before"), "{error}");
    assert_eq!(formats(&world), 0);
}

#[tokio::test]
async fn a_list_does_not_wait_for_a_cloud_that_does_not_answer() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    world.cloud_calls();
    world.plan(0, Fault::DiesBefore);
    let started = std::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(service.list().await.unwrap().len(), 1);
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(world.cloud_calls().len(), 1, "questions do not pile up");
}

#[tokio::test]
async fn h56_a_volume_whose_unmount_was_lost_can_be_removed_once_no_container_shows_it() {
    let world = World::new();
    let settings = crate::Settings { shows_after: Duration::ZERO, ..crate::testing::settings() };
    let service = world.service_with(settings);
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let id = made(&world);
    world.state().users.insert(id);
    let error = service.remove("v").await.unwrap_err().to_string();
    assert!(error.contains("stop that container"), "{error}");
    world.state().users.clear();
    service.remove("v").await.unwrap();
    assert_eq!(world.state().crimes, Vec::<String>::new());
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn a_volume_mounted_a_moment_ago_is_not_removed_though_no_container_shows_it_yet() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert!(matches!(service.remove("v").await, Err(Error::InUse { .. })));
    assert_eq!(world.state().mounts.len(), 1);
}

#[tokio::test]
async fn h14_a_lost_answer_never_ends_the_unfinished_attachment_of_another_host() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    let id = world.state().volumes.values().find(|v| v.name == "v").unwrap().id.clone();
    // The other host's storage takes its time; our own request then gets no answer, but was refused.
    let slow = openstack::block_storage::Attachment {
        id: "slow".into(),
        volume_id: id.clone(),
        status: "attaching".into(),
        instance: None,
        attach_mode: None,
        connection_info: Default::default(),
    };
    world.state().attachments.insert("slow".into(), slow);
    world.state().devices.insert("slow".into(), "node-9:/fuxi/data/v".into());
    world.state().volumes.get_mut(&id).unwrap().status = "attaching".into();
    world.plan(0, Fault::AnswerLost);
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("attach it"), "{error}");
    assert!(world.state().attachments.contains_key("slow"), "another host's attachment was ended");
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("held by node-9:/fuxi/data/v"), "{error}");
}

#[tokio::test]
async fn a_removal_that_failed_does_not_delete_later_what_another_host_uses_meanwhile() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    let id = world.state().volumes.values().find(|v| v.name == "v").unwrap().id.clone();
    // The request is lost on its way, and so is every look at what became of it.
    world.plan(1, Fault::Fails);
    service.remove("v").await.unwrap_err();
    rewrite(&world, "stage", "deleting");
    // Meanwhile it is used elsewhere, and between two containers there nobody has it for a moment.
    let service = world.service();
    service.recover().await;
    service.sweep().await;
    assert_eq!(world.state().volumes[&id].status, "available");
    // It is a volume again, and goes when the user repeats his command.
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    service.remove("v").await.unwrap();
    assert!(!world.state().volumes.contains_key(&id) && world.journal_is_empty());
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn a_claim_that_takes_effect_late_is_found_and_ended() {
    let world = World::new();
    let patient = Settings { reserved_for: Duration::from_secs(60), ..settings() };
    let service = world.service_with(patient);
    service.create("v", options(&[])).await.unwrap();
    world.state().slow_export = Some(3);
    world.plan(0, Fault::AnswerLost);
    service.mount("v", "a").await.unwrap_err();
    assert!(world.state().attachments.is_empty(), "{:?}", world.state().attachments);
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().crimes, [""; 0]);
}

/// A volume `v` that another host has attached, which says so in these words.
async fn attached_by(world: &Arc<World>, service: &crate::Service, place: &str) -> String {
    service.create("v", options(&[])).await.unwrap();
    let id = world.state().volumes.values().find(|v| v.name == "v").unwrap().id.clone();
    let mut state = world.state();
    let attachment = openstack::block_storage::Attachment {
        id: "theirs".into(),
        volume_id: id.clone(),
        status: "attached".into(),
        instance: None,
        attach_mode: None,
        connection_info: Default::default(),
    };
    state.attachments.insert("theirs".into(), attachment);
    let volume = state.volumes.get_mut(&id).unwrap();
    volume.status = "in-use".into();
    volume.attachments.push(openstack::block_storage::VolumeAttachment {
        attachment_id: "theirs".into(),
        device: Some(place.into()),
        ..Default::default()
    });
    drop(state);
    id
}

#[tokio::test]
async fn h33_a_host_of_the_same_name_keeps_its_volume_when_an_answer_is_lost() {
    let world = World::new();
    let service = world.service();
    // Both are called the same, and mount in the same place.
    attached_by(&world, &service, ":/volumes/v#another-attempt").await;
    world.plan(0, Fault::AnswerLost);
    service.mount("v", "a").await.unwrap_err();
    assert!(world.state().attachments.contains_key("theirs"));
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn h03_a_volume_that_was_made_multiattach_meanwhile_still_has_one_writer() {
    let world = World::new();
    let service = world.service();
    let id = attached_by(&world, &service, "node-9:/fuxi/data/v").await;
    world.state().volumes.get_mut(&id).unwrap().multiattach = true;
    rewrite(&world, "since", 0);
    let service = world.service();
    world.state().host_calls.clear();
    let error = service.mount("v", "a").await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    let calls = world.state().host_calls.clone();
    assert!(!calls.iter().any(|c| ["check", "mount", "format"].contains(&c.as_str())), "{calls:?}");
    assert!(world.state().attachments.contains_key("theirs") && world.state().attachments.len() == 1);
}

#[tokio::test]
async fn h23_a_volume_that_was_given_back_elsewhere_is_not_mounted_from_memory() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
    rewrite(&world, "since", 0);
    world.state().volumes.insert(ADOPTABLE.into(), volume(ADOPTABLE, "old", "available"));
    let service = world.service();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("no longer carries the marks"), "{error}");
    let state = world.state();
    assert!(state.mounts.is_empty() && state.attachments.is_empty() && state.connected.is_empty());
}
