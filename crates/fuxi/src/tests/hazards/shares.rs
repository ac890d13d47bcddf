//! Those of shares.

use std::sync::Arc;
use std::time::Duration;

use crate::share::{Identities, ShareSettings};
use crate::testing::{SHARE, World, rule, settings, share, share_settings};
use crate::tests::options;
use crate::tests::shares::made;

#[tokio::test]
async fn h27_each_mount_of_a_share_answers_with_its_path() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    let path = service.mount("v", "a").await.unwrap();
    assert_eq!(path.to_str(), Some("/volumes/v"));
    assert_eq!(service.mount("v", "b").await.unwrap(), path);
    assert_eq!(service.path("v").await.unwrap(), Some(path.clone()));
    let source = world.state().manila.mounts["v"].export.source().to_owned();
    world.state().manila.users.insert(source);
    let service = world.shares();
    service.recover().await;
    assert_eq!(service.mount("v", "c").await.unwrap(), path, "by a new process too");
}

#[tokio::test]
async fn h28_trouble_with_another_rule_of_a_share_is_not_ours() {
    for state in ["error", "queued_to_apply", "queued_to_deny"] {
        let world = World::new();
        world.state().manila.let_in(SHARE, rule("other", "10.1.1.1", "rw", state));
        let service = world.shares();
        service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
        service.mount("v", "a").await.unwrap();
        service.unmount("v", "a").await.unwrap();
        assert_eq!(world.cloud_calls().iter().filter(|c| *c == "deny access").count(), 1, "{state}");
        assert_eq!(world.state().crimes, [""; 0]);
    }
}

#[tokio::test]
async fn h48_a_share_lets_in_this_host_alone_and_only_while_it_is_mounted() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    assert!(world.state().manila.rules.is_empty(), "nobody before the first mount");
    service.mount("v", "a").await.unwrap();
    service.mount("v", "b").await.unwrap();
    let id = made(&world);
    let rules: Vec<_> = world.state().manila.rules.values().cloned().collect();
    let [(of, rule)] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!((of, rule.access_to.as_str(), rule.access_level.as_str()), (&id, "10.0.0.9", "rw"));
    service.unmount("v", "a").await.unwrap();
    service.unmount("v", "b").await.unwrap();
    let left = world.state().manila.rules.values().all(|(_, r)| r.state == "queued_to_deny");
    assert!(left, "{:?}", world.state().manila.rules);
}

/// A Ceph share whose rule lets this host in but has no key yet.
fn without_key(patience: Duration) -> (Arc<World>, crate::Service) {
    let world = World::new();
    let own = ShareSettings {
        identities: Identities { cephx: Some("fuxi-a".into()), ..Identities::default() },
        access_patience: patience,
        ..share_settings()
    };
    let mut theirs = share(SHARE, "old", "available");
    theirs.share_proto = "CEPHFS".into();
    let mut letter = rule("theirs", "fuxi-a", "rw", "active");
    letter.access_type = "cephx".into();
    let mut state = world.state();
    state.manila.shares.insert(SHARE.into(), theirs);
    state.manila.exports.get_mut(SHARE).unwrap()[2].path = format!("10.0.0.1:6789:/volumes/{SHARE}");
    state.manila.let_in(SHARE, letter);
    // The double's server lets in by address.
    state.manila.let_in(SHARE, rule("ip", "10.0.0.9", "rw", "active"));
    drop(state);
    let service = world.shares_with(settings(), own);
    (world, service)
}

#[tokio::test]
async fn h49_a_key_that_comes_after_its_rule_is_waited_for() {
    let (world, service) = without_key(Duration::from_secs(10));
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    let (mounted, ()) = tokio::join!(service.mount("v", "a"), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(world.state().manila.mounts.is_empty(), "mounted without a key");
        let mut state = world.state();
        state.manila.rules.get_mut("theirs").unwrap().1.access_key = Some("k3y".to_owned().into());
    });
    mounted.unwrap();
    let secrets = world.state().manila.mounts["v"].secrets.clone();
    assert_eq!(secrets.password.as_deref(), Some("k3y"));
}

#[tokio::test]
async fn h49_a_key_that_never_comes_is_told() {
    let (world, service) = without_key(Duration::from_millis(50));
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("access rule theirs for fuxi-a"), "{error}");
    assert!(world.state().manila.mounts.is_empty());
}
