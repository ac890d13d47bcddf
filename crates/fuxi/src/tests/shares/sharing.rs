//! Several containers, several hosts, several processes, and shares that move.

use std::time::Duration;

use host_storage::shares::Root;

use super::made;
use crate::share::ShareSettings;
use crate::testing::{Fault, SHARE, World, rule, settings, share};
use crate::tests::options;
use crate::{Error, Settings};

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
async fn h34_a_share_that_a_container_shows_stays_mounted_and_goes_later() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let source = world.state().manila.mounts["v"].export.source().to_owned();
    world.state().manila.users.insert(source);
    service.unmount("v", "a").await.unwrap();
    service.sweep().await;
    assert_eq!(world.state().manila.mounts.len(), 1);
    assert!(matches!(service.remove("v").await, Err(Error::InUse { .. })));
    world.state().manila.users.clear();
    service.sweep().await;
    assert!(world.state().manila.mounts.is_empty());
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn h37_a_restarted_plugin_keeps_what_is_used_and_unmounts_what_is_not() {
    let world = World::new();
    let service = world.shares();
    for name in ["used", "idle"] {
        service.create(name, options(&[])).await.unwrap();
        service.mount(name, name).await.unwrap();
    }
    let source = world.state().manila.mounts["used"].export.source().to_owned();
    world.state().manila.users.insert(source);
    let service = world.shares();
    service.recover().await;
    assert_eq!(world.state().manila.mounts.keys().cloned().collect::<Vec<_>>(), ["used"]);
    assert!(service.path("used").await.unwrap().is_some());
    world.cloud_calls();
    service.mount("used", "second").await.unwrap();
    assert!(world.cloud_calls().is_empty());
}

#[tokio::test]
async fn h12_a_reboot_voids_references_and_mounts() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().boot_id = "boot-2".into();
    world.state().manila.mounts.clear();
    let service = world.shares();
    service.recover().await;
    service.mount("v", "b").await.unwrap();
    assert_eq!(world.state().manila.mounts.len(), 1);
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn h56_a_known_share_is_never_missing_while_the_cloud_is_down() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().manila.down = true;
    let service = world.shares();
    service.recover().await;
    assert!(service.get("v").await.unwrap().is_some());
    assert_eq!(service.list().await.unwrap().len(), 1);
    let unknown = service.get("w").await.unwrap_err();
    assert!(unknown.is_cloud_unreachable(), "{unknown}");
}

#[tokio::test]
async fn an_unmount_while_the_cloud_is_down_unmounts_and_ends_the_rule_later() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().manila.down = true;
    assert!(service.unmount("v", "a").await.is_err());
    assert!(world.state().manila.mounts.is_empty());
    world.state().manila.down = false;
    service.sweep().await;
    assert!(world.state().manila.rules.values().all(|(_, r)| r.state == "queued_to_deny"));
}

#[tokio::test]
async fn a_share_that_moved_while_unmounted_is_mounted_from_its_new_place() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    let id = made(&world);
    world.state().manila.exports.get_mut(&id).unwrap()[2].path = format!("10.0.0.6:/{id}");
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().manila.mounts["v"].export.source(), format!("10.0.0.6:/{id}"));
}

#[tokio::test]
async fn a_share_that_moves_while_mounted_works_on_and_tells() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let path = service.mount("v", "a").await.unwrap();
    let id = made(&world);
    let source = world.state().manila.mounts["v"].export.source().to_owned();
    world.state().manila.users.insert(source);
    world.state().manila.exports.get_mut(&id).unwrap()[2].path = format!("10.0.0.6:/{id}");
    service.sweep().await;
    let trouble = service.status().shares[0].trouble.clone().unwrap();
    assert!(trouble.contains("exported from 10.0.0.6:/"), "{trouble}");
    assert_eq!(service.mount("v", "b").await.unwrap(), path);
    world.state().manila.exports.get_mut(&id).unwrap()[2].path = format!("10.0.0.5:/{id}");
    service.sweep().await;
    assert_eq!(service.status().shares[0].trouble, None);
}

#[tokio::test]
async fn another_export_is_tried_when_the_preferred_one_is_dead() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    let mut spare = world.state().manila.exports[&id][2].clone();
    (spare.path, spare.preferred) = (format!("10.0.0.7:/{id}"), false);
    world.state().manila.exports.get_mut(&id).unwrap().insert(0, spare);
    world.state().manila.dead.insert(format!("10.0.0.5:/{id}"));
    service.mount("v", "a").await.unwrap();
    assert_eq!(world.state().manila.mounts["v"].export.source(), format!("10.0.0.7:/{id}"));
}

#[tokio::test]
async fn a_dead_server_is_told_and_costs_nothing_else() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.create("w", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let source = world.state().manila.mounts["v"].export.source().to_owned();
    world.state().manila.dead.insert(source);
    assert!(service.mount("v", "b").await.unwrap_err().to_string().contains("did not answer"));
    assert!(service.unmount("v", "a").await.unwrap_err().to_string().contains("did not answer"));
    assert_eq!(world.state().manila.mounts.len(), 1, "neither lazily nor by force");
    assert!(world.state().manila.rules.values().all(|(_, r)| r.state == "active"), "the rule stays with it");
    service.mount("w", "a").await.unwrap();
    let source = world.state().manila.mounts["w"].export.source().to_owned();
    world.state().manila.users.insert(source);
    world.state().manila.dead.clear();
    service.sweep().await;
    assert_eq!(world.state().manila.mounts.keys().collect::<Vec<_>>(), ["w"]);
}

#[tokio::test]
async fn h48_a_new_address_of_this_host_gets_a_rule_and_the_old_one_ends() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().manila.mounts.clear();
    let old = world.state().manila.rules.keys().next().unwrap().clone();
    world.state().manila.rules.get_mut(&old).unwrap().1.access_to = "10.0.0.200".into();
    service.mount("v", "a").await.unwrap();
    let state = world.state();
    let lasting: Vec<_> =
        state.manila.rules.values().filter(|(_, r)| r.state == "active").map(|(_, r)| &r.access_to).collect();
    assert_eq!(lasting, ["10.0.0.9"]);
}

#[tokio::test]
async fn another_host_finds_mounts_and_removes_the_share_as_its_maker_meant_it() {
    let (here, there) = (World::new(), World::new());
    let service = here.shares();
    let request = [("uid", "1000"), ("mode", "0750"), ("subdir", "data"), ("mountopts", "nconnect=4")];
    service.create("v", options(&request)).await.unwrap();
    let id = made(&here);
    {
        let (mut from, mut to) = (here.state(), there.state());
        to.manila = std::mem::take(&mut from.manila);
    }
    let other = there.shares();
    assert!(other.get("v").await.unwrap().is_some());
    other.mount("v", "b").await.unwrap();
    {
        let state = there.state();
        let mounted = &state.manila.mounts["v"];
        assert_eq!(mounted.subdir.as_deref(), Some("data"));
        assert_eq!(
            state.manila.roots.values().next().unwrap(),
            &Root { uid: Some(1000), gid: None, mode: Some(0o750) }
        );
        let metadata = &state.manila.shares[&id].metadata;
        assert_eq!((&*metadata["fuxi_used"], &*metadata["fuxi_root"]), ("true", "done"));
    }
    there.state().manila.precious.insert(id.clone());
    other.unmount("v", "b").await.unwrap();
    assert!(there.journal_is_empty());
    // Once only: a user may have changed it since.
    other.mount("v", "b").await.unwrap();
    other.unmount("v", "b").await.unwrap();
    other.remove("v").await.unwrap();
    assert_eq!(there.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn a_share_whose_maker_died_is_kept_for_whoever_used_it() {
    let world = World::new();
    let service = world.shares();
    world.plan(3, Fault::DiesBefore);
    tokio::select! {
        _ = service.create("v", options(&[])) => panic!("it was to die"),
        () = world.death.notified() => {}
    }
    let service = world.shares();
    service.recover().await;
    assert!(service.get("v").await.unwrap().is_some());
    let id = made(&world);
    assert_eq!(world.state().manila.shares[&id].status, "available");
    service.remove("v").await.unwrap();
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn a_creation_repeated_while_the_first_is_still_under_way_waits_for_it() {
    let world = World::new();
    let service = world.shares();
    world.plan(1, Fault::DiesAfter);
    tokio::select! {
        _ = service.create("v", options(&[])) => panic!("it was to die"),
        () = world.death.notified() => {}
    }
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    assert!(service.get("v").await.unwrap().is_some(), "it is there when Docker is told so");
    assert_eq!(world.state().manila.shares.len(), 2);
    service.mount("v", "a").await.unwrap();
}

#[tokio::test]
async fn h15_the_older_of_two_twins_stays_and_the_younger_takes_itself_away() {
    let world = World::new();
    let service = world.shares();
    assert_eq!(service.get("v").await.unwrap(), None);
    // Another host was faster, after our look.
    let mut twin = share("00000000-0000-4000-8000-000000000000", "v", "available");
    (twin.size, twin.created_at) = (1, "2026-01-01T00:00:00.000000".into());
    twin.metadata =
        options(&[("volume_from", "fuxi"), ("docker_volume_name", "v"), ("fuxi_request", "theirs")]);
    world.state().manila.add(twin.clone());
    service.create("v", options(&[])).await.unwrap();
    let left: Vec<_> = world
        .state()
        .manila
        .shares
        .values()
        .filter(|s| s.status != "deleting")
        .map(|s| s.id.clone())
        .collect();
    assert_eq!(left, [twin.id.clone(), SHARE.to_owned()]);
    service.mount("v", "a").await.unwrap();
    assert!(world.state().manila.mounts["v"].export.source().ends_with(&twin.id));
}

#[tokio::test]
async fn h16_the_work_goes_on_when_the_caller_has_gone_and_a_repeat_joins_it() {
    let world = World::new();
    let service = world.shares();
    abandon(service.create("v", options(&[]))).await;
    service.create("v", options(&[])).await.unwrap();
    assert_eq!(world.cloud_calls().iter().filter(|c| *c == "create share").count(), 1);
}

#[tokio::test]
async fn a_mount_whose_caller_died_is_rolled_back() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    abandon(service.mount("v", "a")).await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if world.state().cloud_calls.contains(&"deny access".to_owned()) {
            break;
        }
    }
    assert!(world.state().manila.mounts.is_empty());
    assert!(world.state().cloud_calls.contains(&"deny access".to_owned()));
}

#[tokio::test]
async fn a_mount_within_the_delay_cancels_the_unmount() {
    let world = World::new();
    let common = Settings { detach_delay: Duration::from_millis(100), ..settings() };
    let service = world.shares_with(common, crate::testing::share_settings());
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    world.cloud_calls();
    service.mount("v", "b").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(world.cloud_calls().is_empty());
    service.unmount("v", "b").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.cloud_calls(), ["deny access"]);
}

#[tokio::test]
async fn a_share_grows_while_it_is_mounted() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert_eq!(service.extend("v", 7).await.unwrap(), 7);
    assert_eq!(service.get("v").await.unwrap().unwrap().status["size_gib"], 7);
    assert!(service.extend("v", 3).await.unwrap_err().to_string().contains("not shrunk"));
}

#[tokio::test]
async fn a_host_with_the_name_of_another_is_refused_and_the_others_rule_stays() {
    let world = World::new();
    let maker = world.shares();
    maker.create("v", options(&[])).await.unwrap();
    maker.mount("v", "a").await.unwrap();
    let id = made(&world);
    // A second host that was given the first one's address.
    let there = World::new();
    there.state().manila.shares = world.state().manila.shares.clone();
    there.state().manila.rules = world.state().manila.rules.clone();
    there.state().manila.exports = world.state().manila.exports.clone();
    let own = ShareSettings { host: "host-b".into(), ..crate::testing::share_settings() };
    let other = there.shares_with(settings(), own);
    let error = other.mount("v", "b").await.unwrap_err().to_string();
    assert!(error.contains("for 10.0.0.9 was made by Docker host host-a, which ends it"), "{error}");
    assert!(error.contains("its own my_ip"), "{error}");
    assert!(there.state().manila.mounts.is_empty());
    assert!(there.state().manila.rules.values().all(|(of, r)| *of == id && r.state == "active"));
    // The network of both, which no host ends, serves.
    there.state().manila.let_in(&id, rule("net", "10.0.0.0/24", "rw", "active"));
    other.mount("v", "b").await.unwrap();
    assert_eq!(other.status().shares[0].access_rule.as_deref(), Some("net"));
}

#[tokio::test]
async fn a_maker_whose_name_another_host_uses_by_now_is_refused() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let mut theirs = rule("theirs", "10.0.0.9", "rw", "active");
    theirs.metadata = options(&[("volume_from", "fuxi"), ("fuxi_request", "x"), ("fuxi_host", "host-b")]);
    let id = made(&world);
    world.state().manila.let_in(&id, theirs);
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("made by Docker host host-b"), "{error}");
    assert!(world.state().manila.mounts.is_empty());
}

#[tokio::test]
async fn a_rule_in_error_is_not_preferred_to_one_that_works() {
    let world = World::new();
    world.state().manila.let_in(SHARE, rule("broken", "10.0.0.9", "rw", "error"));
    world.state().manila.let_in(SHARE, rule("works", "10.0.0.0/24", "rw", "active"));
    let service = world.shares();
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    assert_eq!(service.status().shares[0].access_rule.as_deref(), Some("works"));
}

#[tokio::test]
async fn what_another_host_removed_is_forgotten() {
    let world = World::new();
    let service = world.shares();
    service.create("gone", options(&[])).await.unwrap();
    let id = made(&world);
    service.create("kept", options(&[])).await.unwrap();
    world.state().manila.shares.remove(&id);
    // No answer is no proof.
    world.state().manila.down = true;
    service.list().await.unwrap();
    assert_eq!(service.status().shares.len(), 2);
    world.state().manila.down = false;
    service.list().await.unwrap();
    assert!(service.get("kept").await.unwrap().is_some());
    assert_eq!(service.get("gone").await.unwrap(), None);
}

#[tokio::test]
async fn what_another_host_gave_back_is_forgotten_and_left_alone() {
    let world = World::new();
    let before = world.state().manila.shares[SHARE].clone();
    let service = world.shares();
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    world.state().manila.shares.insert(SHARE.into(), before.clone());
    service.list().await.unwrap();
    assert_eq!(service.status().shares.len(), 1, "what is mounted is remembered");
    service.unmount("v", "a").await.unwrap();
    service.list().await.unwrap();
    assert_eq!(service.get("v").await.unwrap(), None);
    assert_eq!(world.state().manila.shares[SHARE], before);
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn a_mount_of_what_another_host_removed_finds_no_volume() {
    for adopted in [false, true] {
        let world = World::new();
        let service = world.shares();
        let request = if adopted { options(&[("volume_id", SHARE)]) } else { options(&[]) };
        service.create("v", request).await.unwrap();
        world.state().manila.shares.clear();
        let error = service.mount("v", "a").await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        assert!(world.journal_is_empty());
    }
}

#[tokio::test]
async fn a_root_that_another_host_gave_its_owner_is_not_given_it_again() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[("uid", "1000")])).await.unwrap();
    let id = made(&world);
    // Another host mounted it first, and its user has changed the owner since.
    world.state().manila.shares.get_mut(&id).unwrap().metadata.insert("fuxi_root".into(), "done".into());
    world.state().manila.precious.insert(id);
    service.mount("v", "a").await.unwrap();
    assert!(world.state().manila.roots.is_empty());
    assert_eq!(world.state().crimes, Vec::<String>::new());
}
