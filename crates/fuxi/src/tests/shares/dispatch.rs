//! Cinder and Manila together: a name is one volume.

use std::sync::Arc;

use crate::share::ShareSettings;
use crate::testing::{ADOPTABLE, SHARE, World, share};
use crate::tests::options;
use crate::{NotServed, Provider, Service};

const BOTH: [Provider; 2] = [Provider::Cinder, Provider::Manila];

async fn names(service: &Service) -> Vec<(String, String)> {
    let list = service.list().await.unwrap();
    list.into_iter().map(|v| (v.name, v.status["provider"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test]
async fn the_first_provider_is_the_default_and_the_option_chooses() {
    for order in [BOTH, [Provider::Manila, Provider::Cinder]] {
        let world = World::new();
        let service = world.both(&order);
        service.create("a", options(&[])).await.unwrap();
        service.create("b", options(&[("volume_provider", "manila")])).await.unwrap();
        service.create("c", options(&[("volume_provider", "cinder"), ("fstype", "xfs")])).await.unwrap();
        let default = order[0].name();
        let expected = [("a", default), ("b", "manila"), ("c", "cinder")];
        assert_eq!(names(&service).await, expected.map(|(n, p)| (n.to_owned(), p.to_owned())));
        for name in ["a", "b", "c"] {
            service.mount(name, "x").await.unwrap();
            assert!(service.path(name).await.unwrap().is_some());
            service.unmount(name, "x").await.unwrap();
            service.remove(name).await.unwrap();
            assert_eq!(service.get(name).await.unwrap(), None);
        }
        assert!(world.journal_is_empty());
        assert_eq!(world.state().crimes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_name_of_the_other_provider_is_refused() {
    let world = World::new();
    let service = world.both(&BOTH);
    service.create("v", options(&[])).await.unwrap();
    let manila = options(&[("volume_provider", "manila")]);
    let error = service.create("v", manila.clone()).await.unwrap_err().to_string();
    assert!(error.contains("in cinder already; choose another name"), "{error}");
    // Nor one that another host made.
    world.journal.collection::<serde_json::Value>("volumes").unwrap().remove("v").unwrap();
    let service = world.both(&BOTH);
    let error = service.create("v", manila).await.unwrap_err().to_string();
    assert!(error.contains("in cinder already"), "{error}");
    assert_eq!(world.state().manila.shares.len(), 1);
}

#[tokio::test]
async fn a_creation_without_a_wish_that_docker_repeats_finds_the_share() {
    let world = World::new();
    let service = world.both(&BOTH);
    service.create("v", options(&[("volume_provider", "manila"), ("size", "5")])).await.unwrap();
    service.create("v", options(&[])).await.unwrap();
    service.create("v", options(&[("size", "5")])).await.unwrap();
    assert!(service.create("v", options(&[("fstype", "xfs")])).await.is_err());
    assert_eq!(world.state().volumes.len(), 1, "no volume was made");
}

#[tokio::test]
async fn looking_for_a_name_costs_one_call_of_each_provider_and_creating_it_no_other() {
    let world = World::new();
    let service = world.both(&BOTH);
    assert_eq!(service.get("v").await.unwrap(), None);
    let mut calls = world.cloud_calls();
    calls.sort();
    assert_eq!(calls, ["list shares", "list volumes"]);
    service.create("v", options(&[("volume_provider", "manila")])).await.unwrap();
    assert_eq!(world.cloud_calls()[0], "create share");
}

#[tokio::test]
async fn a_provider_that_is_down_hides_no_volume_of_the_other() {
    let world = World::new();
    let maker = world.both(&BOTH);
    maker.create("volume", options(&[])).await.unwrap();
    maker.create("share", options(&[("volume_provider", "manila")])).await.unwrap();
    maker.create("known", options(&[("volume_provider", "manila")])).await.unwrap();
    for (collection, name) in [("volumes", "volume"), ("shares", "share")] {
        world.journal.collection::<serde_json::Value>(collection).unwrap().remove(name).unwrap();
    }
    world.state().manila.down = true;
    let service = world.both(&BOTH);
    assert!(service.get("volume").await.unwrap().is_some());
    assert!(service.get("known").await.unwrap().is_some());
    let unknown = service.get("share").await.unwrap_err();
    assert!(unknown.is_cloud_unreachable(), "{unknown}");
    assert_eq!(names(&service).await.len(), 2);
    service.mount("volume", "a").await.unwrap();
    service.unmount("volume", "a").await.unwrap();
    assert!(service.remove("share").await.is_err(), "nobody knows that it is gone");
    let error = service.create("new", options(&[])).await.unwrap_err();
    assert!(error.is_cloud_unreachable(), "its name might be a share's: {error}");
}

#[tokio::test]
async fn a_name_that_both_have_is_refused_with_both_ids() {
    let world = World::new();
    let mut theirs = share("share-1", "v", "available");
    theirs.metadata = options(&[("volume_from", "fuxi"), ("docker_volume_name", "v")]);
    world.state().manila.add(theirs);
    let mut volume = crate::testing::volume("volume-1", "v", "available");
    volume.metadata = options(&[("volume_from", "fuxi"), ("docker_volume_name", "v")]);
    world.state().volumes.insert("volume-1".into(), volume);
    let service = world.both(&BOTH);
    for error in [
        service.get("v").await.unwrap_err(),
        service.mount("v", "a").await.unwrap_err(),
        service.remove("v").await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains("volume-1") && text.contains("share-1"), "{text}");
    }
}

#[tokio::test]
async fn a_configuration_without_cinder_asks_it_nothing_and_forgets_no_volume() {
    let world = World::new();
    let before = world.service();
    before.create("old", options(&[("volume_id", ADOPTABLE)])).await.unwrap();
    world.cloud_calls();
    let service = world.shares();
    service.recover().await;
    assert!(service.get("old").await.unwrap().is_some());
    assert_eq!(service.get("none").await.unwrap(), None);
    service.create("v", options(&[])).await.unwrap();
    service.list().await.unwrap();
    assert!(world.cloud_calls().iter().all(|c| c.contains("share")));
    let error = service.mount("old", "a").await.unwrap_err().to_string();
    assert!(error.contains("volume_providers does not name cinder"), "{error}");
    assert!(service.create("old", options(&[("volume_provider", "manila")])).await.is_err());
    assert!(!world.journal_is_empty());
}

#[tokio::test]
async fn two_creations_of_one_name_at_once_make_one_volume() {
    let world = World::new();
    let service = Arc::new(world.both(&BOTH));
    let (a, b) = tokio::join!(
        service.create("v", options(&[("volume_provider", "cinder")])),
        service.create("v", options(&[("volume_provider", "manila")])),
    );
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let state = world.state();
    assert_eq!(state.volumes.len() + state.manila.shares.len(), 3);
    assert!(state.manila.shares.contains_key(SHARE));
}

#[tokio::test]
async fn a_configuration_without_manila_asks_it_nothing_and_forgets_no_share() {
    let world = World::new();
    let before = world.both(&BOTH);
    before.create("old", options(&[("volume_provider", "manila"), ("volume_id", SHARE)])).await.unwrap();
    before.create("used", options(&[("volume_provider", "manila")])).await.unwrap();
    before.mount("used", "a").await.unwrap();
    world.cloud_calls();
    // Nothing of `[manila]` is left, not even this host's address.
    let cinder = world.service();
    let service = cinder
        .with_shares(
            &[Provider::Cinder],
            ShareSettings::default(),
            &world.journal,
            Arc::new(NotServed),
            world.clone(),
        )
        .unwrap();
    service.recover().await;
    assert!(world.state().manila.mounts.is_empty(), "what nobody uses is unmounted");
    assert!(service.get("old").await.unwrap().is_some());
    assert_eq!(service.get("none").await.unwrap(), None);
    service.create("v", options(&[])).await.unwrap();
    assert_eq!(service.list().await.unwrap().len(), 3);
    assert!(world.cloud_calls().iter().all(|c| !c.contains("share") && !c.contains("rule")));
    let error = service.mount("old", "a").await.unwrap_err().to_string();
    assert!(error.contains("volume_providers does not name manila"), "{error}");
    let volumes = world.state().volumes.len();
    assert!(service.create("old", options(&[("volume_provider", "cinder")])).await.is_err());
    service.create("old", options(&[])).await.unwrap();
    assert_eq!(world.state().volumes.len(), volumes, "no volume took the name of a share");
    let error = service.remove("old").await.unwrap_err().to_string();
    assert!(error.contains("volume_providers does not name manila"), "{error}");
    assert!(world.both(&BOTH).get("old").await.unwrap().is_some());
}
