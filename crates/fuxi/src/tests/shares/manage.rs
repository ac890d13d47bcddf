//! What an operator asks of a share.

use crate::testing::World;
use crate::tests::options;
use crate::{Error, Provider};

#[tokio::test]
async fn a_share_is_shown_and_let_go_by_hand_and_has_no_snapshots_or_holders() {
    let world = World::new();
    let service = world.both(&[Provider::Cinder, Provider::Manila]);
    service.create("v", options(&[("volume_provider", "manila")])).await.unwrap();
    service.mount("v", "a").await.unwrap();
    let details = service.show("v").await.unwrap();
    assert_eq!((&*details.cloud_status, details.references), ("available", vec!["a".to_owned()]));
    assert_eq!(details.status["provider"], "manila");
    let refused = [
        service.snapshot("v", "s").await.unwrap_err(),
        service.snapshots("v").await.unwrap_err(),
        service.clone_volume("v", "w", options(&[])).await.unwrap_err(),
        service.holders("v").await.unwrap_err(),
        service.fence("v", "x").await.unwrap_err(),
    ];
    for error in refused {
        assert!(error.to_string().contains("a Manila share has no"), "{error}");
    }
    let source = world.state().manila.mounts["v"].export.source().to_owned();
    world.state().manila.users.insert(source);
    assert!(matches!(service.detach("v").await, Err(Error::InUse { .. })));
    world.state().manila.users.clear();
    service.detach("v").await.unwrap();
    assert!(world.state().manila.mounts.is_empty());
    assert!(world.state().manila.rules.values().all(|(_, r)| r.state == "queued_to_deny"));
    assert!(service.detach("v").await.unwrap_err().to_string().contains("not mounted on this host"));
    assert!(matches!(service.show("none").await, Err(Error::NotFound { .. })));
    assert_eq!(world.state().crimes, Vec::<String>::new());
}

#[test]
fn a_timeout_of_manila_sends_nobody_to_cinder() {
    let timeout = openstack::Error::Timeout {
        service: "shared-file-system",
        operation: "get share".into(),
        seconds: 60,
    };
    let text = Error::cloud("v", "look at it", timeout).to_string();
    assert!(text.contains("check Manila") && !text.contains("Cinder"), "{text}");
}
