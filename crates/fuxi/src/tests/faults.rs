//! Each operation with a fault at each of its outside calls: nothing leaks, nothing is lost, a repeat succeeds.

use std::sync::Arc;

use super::options;
use crate::testing::{ADOPTABLE, Fault, World, foreign_filesystem, volume};
use crate::{Result, Service};

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Create,
    /// With all that shapes its root.
    CreateShaped,
    Copy,
    Adopt,
    Mount,
    Unmount,
    Remove,
}

async fn run(service: &Service, step: Step) -> Result<()> {
    match step {
        Step::Create => service.create("v", options(&[("size", "2")])).await,
        Step::CreateShaped => {
            let pairs =
                [("size", "2"), ("uid", "7"), ("mode", "0700"), ("subdir", "data"), ("mkfsopts", "-m 0")];
            service.create("v", options(&pairs)).await
        }
        Step::Copy => service.create("v", options(&[("snapshot_of", ADOPTABLE)])).await,
        Step::Adopt => service.create("v", options(&[("volume_id", ADOPTABLE)])).await,
        Step::Mount => service.mount("v", "a").await.map(drop),
        Step::Unmount => service.unmount("v", "a").await,
        Step::Remove => service.remove("v").await,
    }
}

async fn check_everything_is_as_at_first(world: &Arc<World>, context: &str) {
    let service = world.service();
    service.recover().await;
    service.sweep().await;
    service.remove("v").await.unwrap_or_else(|e| panic!("{context}: {e}"));
    let mut state = world.state();
    state.volumes.retain(|_, v| v.status != "deleting");
    assert_eq!(state.crimes, Vec::<String>::new(), "{context}");
    assert!(state.attachments.is_empty() && state.mounts.is_empty(), "{context}: {state:?}");
    assert_eq!(state.volumes.len(), 1, "{context}: {:?}", state.volumes);
    assert!(state.snapshots.is_empty(), "{context}: {:?}", state.snapshots);
    assert_eq!(state.volumes[ADOPTABLE], volume(ADOPTABLE, "old", "available"), "{context}");
    assert_eq!(state.content[ADOPTABLE], foreign_filesystem(), "{context}");
    drop(state);
    assert!(world.journal_is_empty(), "{context}");
}

/// Runs `before` in peace, `step` with every fault at every call, and then, in a new process if the old one died, the
/// step again and all that follows in a volume's life.
async fn survives(before: &[Step], step: Step, after: &[Step]) {
    survives_in(World::new, before, step, after).await;
}

pub(super) async fn survives_in(new: impl Fn() -> Arc<World>, before: &[Step], step: Step, after: &[Step]) {
    for fault in Fault::ALL {
        for nth in 0.. {
            let context = format!("{step:?}, {fault:?} at call {nth}");
            let world = new();
            let mut service = world.service();
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
                service = world.service();
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
    assert!(known || state.attachments.is_empty(), "{context}");
    let made = state.volumes.values().any(|v| v.id != ADOPTABLE && v.status != "deleting");
    assert!(known || !made, "{context}: {:?}", state.volumes);
    assert!(known || state.snapshots.is_empty(), "{context}: {:?}", state.snapshots);
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
async fn a_copy_survives_a_fault_at_any_call() {
    survives(&[], Step::Copy, &[Step::Mount, Step::Unmount]).await;
}

#[tokio::test]
async fn a_first_mount_of_a_copy_survives_a_fault_at_any_call() {
    survives(&[Step::Copy], Step::Mount, &[Step::Unmount, Step::Mount, Step::Unmount]).await;
}

#[tokio::test]
async fn a_removal_of_a_copy_survives_a_fault_at_any_call() {
    survives(&[Step::Copy, Step::Mount, Step::Unmount], Step::Remove, &[]).await;
}

#[tokio::test]
async fn a_first_mount_that_shapes_the_root_survives_a_fault_at_any_call() {
    survives(&[Step::CreateShaped], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn a_second_mount_survives_a_fault_at_any_call() {
    survives(&[Step::Create, Step::Mount, Step::Unmount], Step::Mount, &[Step::Unmount]).await;
}

#[tokio::test]
async fn a_mount_of_an_adopted_volume_survives_a_fault_at_any_call() {
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

#[tokio::test]
async fn h61_what_stands_in_the_journal_although_its_write_failed_is_looked_after() {
    for nth in 0.. {
        let world = World::new();
        world.count_journal();
        let service = world.service();
        world.plan(nth, Fault::AnswerLost);
        let _ = run(&service, Step::Create).await;
        if !world.fault_happened() {
            assert!(nth > 0);
            break;
        }
        // No repeat, and no new process that would read it.
        service.remove("v").await.unwrap();
        assert!(world.journal_is_empty(), "call or change {nth}");
        assert!(world.state().volumes.values().all(|v| v.id == ADOPTABLE || v.status == "deleting"));
    }
}
