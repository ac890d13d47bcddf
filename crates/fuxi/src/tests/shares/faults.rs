//! Each operation with a fault at each of its outside calls: nothing leaks, nothing is lost, a repeat succeeds.

use std::sync::Arc;

use crate::testing::{Fault, SHARE, World, share};
use crate::tests::options;
use crate::{Result, Service};

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    CreateOwned,
    Adopt,
    Mount,
    Unmount,
    Remove,
}

async fn run(service: &Service, step: Step) -> Result<()> {
    match step {
        Step::Create => service.create("v", options(&[("size", "2")])).await,
        Step::CreateOwned => service.create("v", options(&[("uid", "1000"), ("mode", "0770")])).await,
        Step::Adopt => service.create("v", options(&[("volume_id", SHARE), ("ro", "true")])).await,
        Step::Mount => service.mount("v", "a").await.map(drop),
        Step::Unmount => service.unmount("v", "a").await,
        Step::Remove => service.remove("v").await,
    }
}

async fn check_everything_is_as_at_first(world: &Arc<World>, context: &str) {
    let service = world.shares();
    service.recover().await;
    service.sweep().await;
    service.remove("v").await.unwrap_or_else(|e| panic!("{context}: {e}"));
    let mut state = world.state();
    state.manila.shares.retain(|_, s| s.status != "deleting");
    let left = state.manila.shares.keys().cloned().collect::<Vec<_>>();
    state
        .manila
        .rules
        .retain(|_, (of, r)| left.contains(of) && !["queued_to_deny", "denying"].contains(&r.state.as_str()));
    assert_eq!(state.crimes, Vec::<String>::new(), "{context}");
    assert!(state.manila.rules.is_empty() && state.manila.mounts.is_empty(), "{context}: {:?}", state.manila);
    assert_eq!(left, [SHARE], "{context}");
    assert_eq!(state.manila.shares[SHARE], share(SHARE, "old", "available"), "{context}");
    drop(state);
    assert!(world.journal_is_empty(), "{context}");
}

/// Runs `before` in peace, `step` with every fault at every call, and then, in a new process if the old one died, the
/// step again and all that follows in a share's life.
async fn survives(before: &[Step], step: Step, after: &[Step]) {
    for fault in Fault::ALL {
        for nth in 0.. {
            let context = format!("{step:?}, {fault:?} at call {nth}");
            let world = World::new();
            let mut service = world.shares();
            for step in before {
                run(&service, *step).await.unwrap();
            }
            world.plan(nth, fault);
            let died = tokio::select! {
                _ = run(&service, step) => false,
                () = world.death.notified() => true,
            };
            if !world.fault_happened() {
                assert!(nth > 0);
                break;
            }
            if died {
                world.bury().await;
                service = world.shares();
                service.recover().await;
            }
            assert_nothing_leaked(&world, &context);
            // The user's repeat.
            run(&service, step).await.unwrap_or_else(|e| panic!("{context}: the repeat failed: {e}"));
            for step in after {
                run(&service, *step).await.unwrap_or_else(|e| panic!("{context}: {step:?}: {e}"));
            }
            check_everything_is_as_at_first(&world, &context).await;
        }
    }
}

/// What is in the cloud is known to the journal.
fn assert_nothing_leaked(world: &Arc<World>, context: &str) {
    let known = !world.journal_is_empty();
    let state = world.state();
    let lasting = state.manila.rules.values().any(|(of, r)| {
        state.manila.shares.get(of).is_some_and(|s| s.status != "deleting")
            && !["queued_to_deny", "denying"].contains(&r.state.as_str())
    });
    assert!(known || !lasting, "{context}");
    let made = state.manila.shares.values().any(|s| s.id != SHARE && s.status != "deleting");
    assert!(known || !made, "{context}: {:?}", state.manila.shares);
    assert_eq!(state.crimes, Vec::<String>::new(), "{context}");
}

#[tokio::test]
async fn h29_a_creation_survives_a_fault_at_any_call() {
    survives(&[], Step::Create, &[Step::Mount, Step::Unmount]).await;
}

#[tokio::test]
async fn an_adoption_survives_a_fault_at_any_call() {
    survives(&[], Step::Adopt, &[Step::Mount, Step::Unmount]).await;
}

#[tokio::test]
async fn a_first_mount_survives_a_fault_at_any_call() {
    survives(&[Step::Create], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn a_first_mount_that_gives_the_root_an_owner_survives_a_fault_at_any_call() {
    survives(&[Step::CreateOwned], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn a_mount_of_an_adopted_share_survives_a_fault_at_any_call() {
    survives(&[Step::Adopt], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn a_last_unmount_survives_a_fault_at_any_call() {
    survives(&[Step::Create, Step::Mount], Step::Unmount, &[Step::Mount, Step::Unmount]).await;
}

#[tokio::test]
async fn a_removal_survives_a_fault_at_any_call() {
    survives(&[Step::Create, Step::Mount, Step::Unmount], Step::Remove, &[]).await;
}

#[tokio::test]
async fn giving_back_survives_a_fault_at_any_call() {
    survives(&[Step::Adopt, Step::Mount, Step::Unmount], Step::Remove, &[]).await;
}
