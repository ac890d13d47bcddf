//! What could leave a volume stuck, or its user without an answer.

use std::time::{Duration, Instant};

use crate::testing::{World, settings};
use crate::tests::life::made;
use crate::tests::options;
use crate::{Content, Error, Settings};

#[tokio::test]
async fn h16_docker_hears_in_time_that_the_work_goes_on_and_a_repeat_joins_it() {
    let world = World::new();
    let hasty = Settings {
        answer_within: Duration::from_millis(100),
        doubt_delay: Duration::from_secs(60),
        ..settings()
    };
    world.service().create("v", options(&[])).await.unwrap();
    let service = world.service_with(hasty);
    let id = made(&world);
    world.state().hanging.insert(id);
    for _ in 0..3 {
        let error = service.mount("v", "a").await.unwrap_err();
        assert!(matches!(error, Error::StillRunning { .. }), "{error}");
    }
    world.state().hanging.clear();
    let end = Instant::now() + Duration::from_secs(5);
    while service.mount("v", "a").await.is_err() {
        assert!(Instant::now() < end, "it never came to an end");
    }
    assert_eq!(world.cloud_calls().iter().filter(|c| *c == "create attachment").count(), 1);
    assert_eq!(world.state().crimes, [""; 0]);
}

#[tokio::test]
async fn h17_the_first_error_is_told_and_what_could_not_be_undone_is_undone_later() {
    let world = World::new();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    world.state().content.insert(id.clone(), Content::Foreign("LUKS".into()));
    // Somebody looks at the device at that moment, so the attachment cannot be ended.
    world.state().users.insert(id);
    let error = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(error.contains("carries LUKS"), "{error}");
    assert_eq!(world.state().attachments.len(), 1);
    let service = world.service();
    service.recover().await;
    assert_eq!(world.state().attachments.len(), 1, "still in use");
    world.state().users.clear();
    service.sweep().await;
    let state = world.state();
    assert!(state.attachments.is_empty() && state.connected.is_empty());
    assert!(state.volumes.values().all(|v| v.status == "available"));
    assert_eq!(state.crimes, [""; 0]);
}

#[tokio::test]
async fn h18_a_volume_is_waited_for_whatever_its_state_is_called_on_the_way() {
    let world = World::in_server();
    let service = world.service_with(Settings { server_patience: Duration::from_secs(10), ..settings() });
    service.create("v", options(&[])).await.unwrap();
    let id = made(&world);
    world.state().disks_stick = true;
    let (mounted, ()) = tokio::join!(service.mount("v", "a"), async {
        for word in ["reserved", "attaching", "a-word-of-tomorrow"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
            world.state().volumes.get_mut(&id).unwrap().status = word.into();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.state().disks_stick = false;
    });
    mounted.unwrap();
    assert_eq!(world.cloud_calls().iter().filter(|c| *c == "attach to server").count(), 1);
}

#[tokio::test]
async fn h19_a_wait_for_a_disk_that_does_not_come_ends() {
    let world = World::in_server();
    let service = world.service();
    service.create("v", options(&[])).await.unwrap();
    world.state().disks_stick = true;
    let started = Instant::now();
    service.mount("v", "a").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    world.state().disks_stick = false;
    service.sweep().await;
    assert!(world.state().attachments.is_empty() && world.state().server_disks.is_empty());
    service.mount("v", "a").await.unwrap();
}

#[tokio::test]
async fn h55_a_volume_that_hangs_holds_up_no_other() {
    let world = World::new();
    let service = world.service();
    for name in ["v", "w"] {
        service.create(name, options(&[])).await.unwrap();
    }
    let stuck = world.state().volumes.values().find(|v| v.name == "v").unwrap().id.clone();
    world.state().hanging.insert(stuck);
    let hangs = {
        let service = service.clone();
        tokio::spawn(async move { service.mount("v", "a").await })
    };
    while !world.state().host_calls.contains(&"connect".to_owned()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rest = async {
        service.mount("w", "b").await.unwrap();
        assert!(service.get("v").await.unwrap().is_some());
        assert_eq!(service.list().await.unwrap().len(), 2);
        service.unmount("w", "b").await.unwrap();
        service.remove("w").await.unwrap();
        service.create("x", options(&[])).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(5), rest).await.expect("held up");
    assert!(!hangs.is_finished());
    world.state().hanging.clear();
    hangs.await.unwrap().unwrap();
}
