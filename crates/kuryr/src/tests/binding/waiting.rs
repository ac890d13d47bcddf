//! Waiting for Neutron's agent.

use std::time::Duration;

use crate::tests::docker::{Docker, Run, quickly, v4};

/// B30: no wait without end, and nothing stays of what did not come up.
#[tokio::test]
async fn the_wait_ends_before_docker_gives_up_and_everything_is_unplugged() {
    let mut docker = Docker::with(|s| {
        s.vif_plugging_is_fatal = true;
        // 0 stands for as long as possible.
        s.vif_plugging_timeout = Duration::ZERO;
        s.deadline = Duration::from_secs(4);
    });
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let before = docker.world.snapshot();
    docker.world.cloud.lock().unwrap().agents_dead = true;
    let begun = tokio::time::Instant::now();
    docker.world.calls();
    let text = docker.run(&network, &Run::default()).await.unwrap_err().text();
    let waited = begun.elapsed();
    // Three seconds of the four are kept for undoing it.
    assert!(waited > Duration::from_millis(600) && waited < Duration::from_secs(3), "{waited:?}");
    assert!(text.contains("is DOWN after") && text.contains("agent"), "{text}");
    let asked = docker.world.calls().iter().filter(|c| *c == "GET port").count();
    assert!((3..6).contains(&asked), "{asked} questions: the pauses grow");
    docker.world.cloud.lock().unwrap().agents_dead = false;
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn where_it_is_not_fatal_nobody_is_asked() {
    let mut docker = Docker::with(|s| s.vif_plugging_timeout = quickly());
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.world.cloud.lock().unwrap().agents_dead = true;
    docker.world.calls();
    docker.run(&network, &Run::default()).await.unwrap();
    assert!(!docker.world.calls().iter().any(|c| c == "GET port"));
}

#[tokio::test]
async fn a_neutron_that_does_not_answer_ends_the_wait_too() {
    let mut docker = Docker::with(|s| {
        s.vif_plugging_is_fatal = true;
        s.vif_plugging_timeout = quickly();
    });
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    // Once for what is asked once per process, then to count.
    let mut question = 0;
    for _ in 0..2 {
        docker.world.all_calls();
        let container = docker.run(&network, &Run::default()).await.unwrap();
        let calls = docker.world.call_names();
        question = calls.iter().rposition(|call| call == "GET port").unwrap() + 1;
        docker.stop(&container).await.unwrap();
    }
    let before = docker.world.snapshot();
    docker.world.arm(question, crate::doubles::Fault::Hang);
    let text = docker.run(&network, &Run::default()).await.unwrap_err().text();
    docker.world.disarm();
    assert!(text.contains("is not known after"), "{text}");
    assert_eq!(docker.world.snapshot(), before);
}
