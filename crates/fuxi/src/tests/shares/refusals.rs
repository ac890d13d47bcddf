//! What is refused says why in one line and leaves nothing behind.

use std::sync::Arc;

use super::made;
use crate::Error;
use crate::share::{Identities, ShareSettings};
use crate::testing::{Fault, SHARE, World, rule, settings, share, share_settings};
use crate::tests::options;

async fn refuses(world: &Arc<World>, pairs: &[(&str, &str)], text: &str) {
    let before = world.state().manila.shares.clone();
    let error = world.shares().create("v", options(pairs)).await.unwrap_err().to_string();
    assert!(error.contains(text), "{error}");
    assert!(!error.contains('\n') && error.contains('v'), "{error}");
    let mut state = world.state();
    state.manila.shares.retain(|_, s| s.status != "deleting");
    assert_eq!(state.manila.shares, before);
    drop(state);
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_asked() {
    let world = World::new();
    refuses(&world, &[("size", "0")], "at least 1 GiB").await;
    refuses(&world, &[("share_proto", "afp")], "use one of NFS").await;
    refuses(&world, &[("fstype", "ext4")], "known are").await;
    refuses(&world, &[("volume_provider", "cinder")], "volume_providers has manila").await;
    refuses(&world, &[("volume_provider", "swift")], "volume_providers has manila").await;
    assert!(world.cloud_calls().is_empty());
    refuses(&world, &[("mountopts", "addr=10.0.0.6")], "NFS shares take").await;
    refuses(&world, &[("share_proto", "CEPHFS")], "set access_to_for_cephx").await;
    assert!(!world.cloud_calls().contains(&"create share".to_owned()));
}

#[tokio::test]
async fn a_share_nobody_here_could_mount_stops_the_service_or_its_making() {
    let world = World::new();
    let own = ShareSettings { my_ip: None, ..share_settings() };
    let cinder = world.service();
    let error = cinder
        .with_shares(&[crate::Provider::Manila], own, &world.journal, world.clone(), world.clone())
        .unwrap_err()
        .to_string();
    assert!(error.contains("set my_ip"), "{error}");
}

#[tokio::test]
async fn what_the_cloud_refuses_leaves_nothing() {
    let world = World::new();
    let absent = "dddddddd-0000-4000-8000-000000000001";
    refuses(&world, &[("volume_id", absent)], "there is no Manila share").await;
    world.state().manila.next_create_errors = true;
    refuses(&world, &[], "no back end is large enough").await;
    world.state().manila.quota = true;
    refuses(&world, &[], "ask for more quota").await;
    world.state().manila.down = true;
    refuses(&world, &[], "check that http://manila is reachable").await;
}

#[tokio::test]
async fn only_a_share_that_is_free_and_whole_is_adopted() {
    let world = World::new();
    let change = |f: fn(&mut openstack::shared_file_systems::Share)| {
        let mut found = share(SHARE, "old", "available");
        f(&mut found);
        world.state().manila.shares.insert(SHARE.into(), found);
    };
    let adopt = [("volume_id", SHARE)];
    change(|s| s.status = "error".into());
    refuses(&world, &adopt, "is error, not available").await;
    change(|s| s.project_id = "another".into());
    refuses(&world, &adopt, "belongs to project another").await;
    change(|s| s.share_proto = "HDFS".into());
    refuses(&world, &adopt, "speaks HDFS").await;
    change(|s| drop(s.metadata.insert("volume_from".into(), "other".into())));
    refuses(&world, &adopt, "belongs to volume_from=other").await;
    change(|s| s.metadata.extend(options(&[("volume_from", "fuxi"), ("docker_volume_name", "w")])));
    refuses(&world, &adopt, "is the Docker volume w already").await;
    change(|s| drop(s.metadata.insert("fuxi_request".into(), "x".into())));
    refuses(&world, &adopt, "leftover").await;
    change(|_| {});
    refuses(&world, &[("volume_id", SHARE), ("size", "9")], "has 2 GiB, not 9").await;
    refuses(&world, &[("volume_id", SHARE), ("share_proto", "CIFS")], "speaks NFS").await;
    refuses(&world, &[("volume_id", SHARE), ("uid", "1")], "adopted as it is").await;
}

#[tokio::test]
async fn h26_an_adopted_share_keeps_the_users_metadata_and_is_given_back() {
    let world = World::new();
    let mine = ("docker_volume_name".to_owned(), "mine".to_owned());
    world.state().manila.shares.get_mut(SHARE).unwrap().metadata.extend([mine]);
    let before = world.state().manila.shares.clone();
    let service = world.shares();
    let request = [("volume_id", SHARE), ("mountopts", "soft"), ("subdir", "data")];
    service.create("v", options(&request)).await.unwrap();
    assert_eq!(world.state().manila.shares[SHARE].metadata["purpose"], "books");
    service.mount("v", "a").await.unwrap();
    {
        let state = world.state();
        let mounted = &state.manila.mounts["v"];
        assert_eq!(mounted.subdir.as_deref(), Some("data"));
        assert!(!mounted.make_subdir, "nothing is made in the user's own share");
    }
    assert!(service.remove("v").await.unwrap_err().to_string().contains("stop that container"));
    service.unmount("v", "a").await.unwrap();
    service.remove("v").await.unwrap();
    assert_eq!(world.state().manila.shares, before);
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn h28_a_rule_the_storage_cannot_apply_is_told_and_taken_back() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    world.state().manila.next_rule_errors = true;
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("cannot apply access rule rule-2 for 10.0.0.9: no back end"), "{error}");
    assert!(world.state().manila.mounts.is_empty());
    service.mount("v", "a").await.unwrap();
    let id = made(&world);
    assert_eq!(world.state().manila.rules_of(&id).len(), 1);
}

#[tokio::test]
async fn h28_a_rule_that_is_never_applied_has_a_deadline() {
    let world = World::new();
    let own = ShareSettings { access_patience: std::time::Duration::from_millis(50), ..share_settings() };
    let service = world.shares_with(settings(), own);
    service.create("v", options(&[])).await.unwrap();
    world.state().manila.stuck_rules = true;
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("is still queued_to_apply after"), "{error}");
    assert!(world.state().manila.rules.values().all(|(_, r)| r.state == "queued_to_deny"));
}

#[tokio::test]
async fn a_rule_that_lets_only_read_is_not_enough_for_writing() {
    let world = World::new();
    world.state().manila.let_in(SHARE, rule("theirs", "10.0.0.9", "ro", "active"));
    let service = world.shares();
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("access rule theirs lets 10.0.0.9 only read it"), "{error}");
    service.remove("v").await.unwrap();
    service.create("v", options(&[("volume_id", SHARE), ("ro", "true")])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert!(world.state().manila.mounts["v"].read_only);
}

#[tokio::test]
async fn a_share_with_no_export_for_this_host_says_what_there_is() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    world.state().manila.exports.get_mut(&id).unwrap().truncate(2);
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("[fd00::5]:/") && error.contains("another address family"), "{error}");
    assert!(!error.contains("10.9.0.5"), "administrators' exports are not for us: {error}");
    world.state().manila.exports.get_mut(&id).unwrap()[1].path = "10.0.0.5:/x -o dev".into();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("characters that are not allowed"), "{error}");
}

#[tokio::test]
async fn what_others_are_let_in_to_is_not_deleted_and_they_are_named() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    let mut docker = rule("rule-b", "10.0.0.8", "rw", "active");
    docker.metadata = options(&[("volume_from", "fuxi"), ("fuxi_request", "x"), ("fuxi_host", "host-b")]);
    world.state().manila.let_in(&id, docker);
    world.state().manila.let_in(&id, rule("rule-c", "10.0.0.0/8", "ro", "active"));
    let error = service.remove("v").await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }));
    let error = error.to_string();
    for part in [
        "10.0.0.8 (rule rule-b, made by Docker host host-b)",
        "10.0.0.0/8 (rule rule-c, not made for Docker)",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(world.state().manila.shares[&id].status, "available");
    world.state().manila.rules.clear();
    service.remove("v").await.unwrap();
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn a_share_of_openstacks_fuxi_is_found_mounted_and_never_deleted() {
    let world = World::new();
    let mut theirs = share("old-1", "v", "available");
    theirs.metadata = options(&[("volume_from", "fuxi")]);
    world.state().manila.add(theirs.clone());
    let service = world.shares();
    assert!(service.get("v").await.unwrap().is_some());
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    let error = service.remove("v").await.unwrap_err().to_string();
    assert!(error.ends_with("openstack share delete old-1"), "{error}");
    assert_eq!(world.state().manila.shares["old-1"], theirs);
}

#[tokio::test]
async fn a_share_that_lost_its_marks_is_not_deleted() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    world.state().manila.shares.get_mut(&id).unwrap().metadata.remove("fuxi_request");
    let error = service.remove("v").await.unwrap_err().to_string();
    assert!(error.contains("no longer carries the marks"), "{error}");
    assert_eq!(world.state().manila.shares[&id].status, "available");
}

#[tokio::test]
async fn a_full_disk_stops_a_mount_before_the_cloud_hears_of_it() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    world.cloud_calls();
    let part = world.journal.path().join("shares/.v.part");
    std::fs::create_dir(&part).unwrap();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("check that the disk is not full"), "{error}");
    assert!(world.cloud_calls().is_empty());
    std::fs::remove_dir(&part).unwrap();
    service.mount("v", "a").await.unwrap();
    // The last Unmount still unmounts.
    std::fs::create_dir(&part).unwrap();
    let _ = service.unmount("v", "a").await;
    std::fs::remove_dir(&part).unwrap();
    service.unmount("v", "a").await.unwrap();
    assert!(world.state().manila.mounts.is_empty());
}

#[tokio::test]
async fn the_same_options_again_are_fine_and_others_conflict() {
    let world = World::new();
    let service = world.shares();
    let request = [("size", "2"), ("share_type", "gold"), ("mountopts", "soft")];
    service.create("v", options(&request)).await.unwrap();
    service.create("v", options(&request)).await.unwrap();
    service.create("v", options(&[])).await.unwrap();
    for (key, value) in
        [("size", "3"), ("share_type", "lead"), ("mountopts", "hard"), ("ro", "true"), ("volume_id", SHARE)]
    {
        let error = service.create("v", options(&[(key, value)])).await.unwrap_err().to_string();
        assert!(error.contains(&format!("another {key}")), "{error}");
    }
    assert_eq!(world.state().manila.shares.len(), 2);
}

#[tokio::test]
async fn a_ceph_key_reaches_the_mount_and_no_journal() {
    let world = World::new();
    let own = ShareSettings {
        identities: Identities { cephx: Some("fuxi-a".into()), ..Identities::default() },
        ..share_settings()
    };
    let mut theirs = share(SHARE, "old", "available");
    theirs.share_proto = "CEPHFS".into();
    world.state().manila.shares.insert(SHARE.into(), theirs);
    world.state().manila.exports.get_mut(SHARE).unwrap()[2].path = format!("10.0.0.1:6789:/volumes/{SHARE}");
    let mut letter = rule("theirs", "fuxi-a", "rw", "active");
    letter.access_type = "cephx".into();
    letter.access_key = Some("s3cretkey".to_owned().into());
    world.state().manila.let_in(SHARE, letter);
    // The double's server lets in by address.
    world.state().manila.let_in(SHARE, rule("ip", "10.0.0.9", "rw", "active"));
    let service = world.shares_with(settings(), own);
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let secrets = world.state().manila.mounts["v"].secrets.clone();
    assert_eq!((secrets.user.as_deref(), secrets.password.as_deref()), (Some("fuxi-a"), Some("s3cretkey")));
    let journal = std::fs::read_to_string(world.journal.path().join("shares/v.json")).unwrap();
    assert!(!journal.contains("s3cretkey"), "{journal}");
    assert!(!format!("{:?}", service.status()).contains("s3cretkey"));
}

#[tokio::test]
async fn a_removal_that_was_refused_is_not_carried_out_later() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    // The process dies with the deletion in its journal, before Manila hears of it.
    world.plan(2, Fault::DiesBefore);
    tokio::select! {
        _ = service.remove("v") => panic!("it was to die"),
        () = world.death.notified() => {}
    }
    world.bury().await;
    let service = world.shares();
    world.state().manila.let_in(&id, rule("other", "10.0.0.8", "rw", "active"));
    assert!(matches!(service.remove("v").await, Err(Error::InUse { .. })));
    // The moment between two containers of the other host.
    world.state().manila.rules.clear();
    service.sweep().await;
    service.recover().await;
    assert_eq!(world.state().manila.shares[&id].status, "available");
    assert_eq!(service.status().shares[0].stage, "ready");
    service.mount("v", "a").await.unwrap();
}

#[tokio::test]
async fn a_removal_that_died_is_not_repeated_by_the_next_process() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    world.plan(2, Fault::DiesBefore);
    tokio::select! {
        _ = service.remove("v") => panic!("it was to die"),
        () = world.death.notified() => {}
    }
    world.bury().await;
    let service = world.shares();
    service.recover().await;
    assert_eq!(world.state().manila.shares[&id].status, "available");
    service.remove("v").await.unwrap();
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn a_deletion_is_asked_for_again_only_if_nobody_was_let_in_meanwhile() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    world.state().manila.lost_deletion_lets_in = Some(rule("other", "10.0.0.8", "rw", "active"));
    let error = service.remove("v").await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(world.state().manila.shares[&id].status, "available");
    assert_eq!(world.state().crimes, Vec::<String>::new());
    assert_eq!(service.status().shares[0].stage, "ready");
}

#[tokio::test]
async fn no_share_is_made_by_the_way_where_that_is_forbidden() {
    let world = World::new();
    let common = crate::Settings { implicit_create: false, ..settings() };
    let service = world.shares_with(common, share_settings());
    let error = service.create("v", options(&[])).await.unwrap_err().to_string();
    assert!(error.contains("implicit_create = false"), "{error}");
    assert!(world.journal_is_empty() && world.state().manila.shares.len() == 1);
    service.create("v", options(&[("size", "2")])).await.unwrap();
    service.create("v", options(&[])).await.unwrap();
}
