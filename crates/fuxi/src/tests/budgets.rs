//! How many calls of Cinder each operation costs.

use super::options;
use crate::testing::World;

#[tokio::test]
async fn each_operation_keeps_its_budget_of_cloud_calls() {
    let world = World::new();
    let service = world.service();

    // As Docker does: Get, then Create.
    assert_eq!(service.get("v").await.unwrap(), None);
    service.create("v", options(&[("size", "3G"), ("fstype", "xfs")])).await.unwrap();
    let calls = world.cloud_calls();
    assert_eq!(calls[..2], ["list volumes", "create volume"]);
    assert!(calls[2..].iter().all(|c| c == "list volumes"), "only polls: {calls:?}");

    assert!(service.get("v").await.unwrap().is_some());
    assert!(world.cloud_calls().is_empty(), "a known volume is answered from memory");

    let path = service.mount("v", "a").await.unwrap();
    assert_eq!(path.to_str(), Some("/volumes/v"));
    assert_eq!(world.cloud_calls(), ["create attachment", "complete attachment", "merge metadata"]);

    service.mount("v", "b").await.unwrap();
    service.unmount("v", "a").await.unwrap();
    assert_eq!(service.path("v").await.unwrap(), Some(path));
    assert!(world.cloud_calls().is_empty(), "a second container costs nothing");

    service.unmount("v", "b").await.unwrap();
    assert_eq!(world.cloud_calls(), ["delete attachment"]);
    assert_eq!(service.path("v").await.unwrap(), None);

    service.mount("v", "c").await.unwrap();
    assert_eq!(world.cloud_calls(), ["create attachment", "complete attachment"]);
    assert_eq!(world.state().host_calls.iter().filter(|c| *c == "format").count(), 1);
    service.unmount("v", "c").await.unwrap();
    service.remove("v").await.unwrap();
    assert!(world.journal_is_empty());
    assert_eq!(world.state().volumes.len(), 1);
}

#[tokio::test]
async fn h54_the_second_of_two_questions_about_an_unknown_name_costs_nothing() {
    let world = World::new();
    let service = world.service();
    assert_eq!(service.get("nobody").await.unwrap(), None);
    assert_eq!(service.get("nobody").await.unwrap(), None);
    assert_eq!(world.cloud_calls().len(), 1);
}
