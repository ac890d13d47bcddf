//! Random histories: whatever happens in whatever order, no crime against data.

use proptest::prelude::*;

use super::options;
use crate::testing::{ADOPTABLE, Fault, World};
use crate::{Content, Service};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn only_blank_readable_devices_of_ours_are_ever_formatted_and_nothing_in_use_is_detached(
        history in proptest::collection::vec((0_u8..12, 0_u8..2, 0_usize..12, 0_usize..8), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let mut service = world.service();
            for (what, which, nth, fault) in history {
                let name = ["v", "w"][usize::from(which)];
                if let Some(fault) = Fault::ALL.get(fault) {
                    world.plan(nth, *fault);
                }
                let operation = async {
                    match what {
                        0 | 1 => drop(service.create(name, options(&[])).await),
                        2 => drop(service.create(name, options(&[("volume_id", ADOPTABLE)])).await),
                        3 | 4 => mount(&world, &service, name, "a").await,
                        5 => mount(&world, &service, name, "b").await,
                        6 => drop(service.unmount(name, "a").await),
                        7 => drop(service.unmount(name, "b").await),
                        8 => drop(service.remove(name).await),
                        9 => service.sweep().await,
                        10 => container(&world, name),
                        _ => damage(&world, name),
                    }
                };
                let died = tokio::select! {
                    () = operation => false,
                    () = world.death.notified() => true,
                };
                world.fault_happened();
                if died {
                    service = world.service();
                    service.recover().await;
                }
            }
            let state = world.state();
            assert_eq!(state.crimes, Vec::<String>::new());
            assert!(state.volumes.contains_key(ADOPTABLE));
        });
    }
}

/// Once a Mount was answered, the volume holds somebody's data.
async fn mount(world: &World, service: &Service, name: &str, id: &str) {
    if service.mount(name, id).await.is_ok() {
        let mut state = world.state();
        let volume = state.mounts.get(name).cloned().expect("an answered Mount is mounted");
        state.precious.insert(volume);
    }
}

/// A container starts to show the volume if it is mounted, or stops.
fn container(world: &World, name: &str) {
    let mut state = world.state();
    let Some(volume) = state.mounts.get(name).cloned() else { return };
    if !state.users.remove(&volume) {
        state.users.insert(volume);
    }
}

/// The back end goes mad: a detached volume's blocks become unreadable, foreign or blank.
fn damage(world: &World, name: &str) {
    let mut state = world.state();
    let found =
        state.volumes.values().find(|v| v.metadata.get("docker_volume_name").is_some_and(|n| n == name));
    let Some(id) = found.filter(|v| v.status == "available").map(|v| v.id.clone()) else { return };
    let next = match state.content.get(&id) {
        Some(Content::Blank) => Content::Unreadable("I/O error".into()),
        Some(Content::Unreadable(_)) => Content::Foreign("LUKS".into()),
        _ => Content::Blank,
    };
    state.content.insert(id, next);
}
