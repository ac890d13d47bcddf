//! How many calls of Manila each operation costs.

use crate::testing::{SHARE, World, rule};
use crate::tests::options;

/// The calls without the polls of a rule.
fn but_polls(calls: Vec<String>) -> Vec<String> {
    calls.into_iter().filter(|c| c != "get rule").collect()
}

#[tokio::test]
async fn each_operation_keeps_its_budget_of_cloud_calls() {
    let world = World::new();
    let service = world.shares();

    // As Docker does: Get, then Create.
    assert_eq!(service.get("v").await.unwrap(), None);
    service.create("v", options(&[("size", "3G")])).await.unwrap();
    let calls = world.cloud_calls();
    assert_eq!(calls[..2], ["list shares", "create share"]);
    assert!(calls[2..].iter().all(|c| c == "list shares"), "only polls: {calls:?}");
    assert!(world.state().host_calls.is_empty(), "nothing is mounted at creation");

    assert!(service.get("v").await.unwrap().is_some());
    assert!(world.cloud_calls().is_empty(), "a known share is answered from memory");

    let path = service.mount("v", "a").await.unwrap();
    assert_eq!(path.to_str(), Some("/volumes/v"));
    let mut calls = but_polls(world.cloud_calls());
    calls.sort();
    assert_eq!(calls, ["allow access", "list exports"]);

    service.mount("v", "b").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    assert_eq!(service.path("v").await.unwrap(), Some(path));
    assert!(world.cloud_calls().is_empty(), "a second container costs nothing");

    service.unmount("v", "b").await.unwrap();
    assert_eq!(world.cloud_calls(), ["deny access"]);
    assert_eq!(service.path("v").await.unwrap(), None);

    service.remove("v").await.unwrap();
    let calls = world.cloud_calls();
    assert_eq!(calls[..3], ["get share", "list rules", "delete share"]);
    assert!(calls[3..].iter().all(|c| c == "get share"), "only polls: {calls:?}");
    assert!(world.journal_is_empty());
    assert_eq!(world.state().manila.shares.len(), 1);
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[tokio::test]
async fn a_share_that_lets_this_host_in_already_costs_two_calls_and_nothing_at_the_end() {
    let world = World::new();
    world.state().manila.let_in(SHARE, rule("theirs", "10.0.0.0/24", "rw", "active"));
    let service = world.shares();
    service.create("v", options(&[("volume_id", SHARE)])).await.unwrap();
    assert_eq!(world.cloud_calls(), ["list shares", "get share", "merge share metadata"]);
    service.mount("v", "a").await.unwrap();
    let mut calls = world.cloud_calls();
    calls.sort();
    assert_eq!(calls, ["list exports", "list rules"]);
    service.unmount("v", "a").await.unwrap();
    assert!(world.cloud_calls().is_empty());
    assert_eq!(world.state().manila.rules_of(SHARE), ["theirs"]);
}

#[tokio::test]
async fn h08_looking_never_mounts() {
    let world = World::new();
    let service = world.shares();
    service.create("v", options(&[])).await.unwrap();
    service.get("v").await.unwrap();
    service.list().await.unwrap();
    service.path("v").await.unwrap();
    assert!(world.state().host_calls.is_empty());
}
