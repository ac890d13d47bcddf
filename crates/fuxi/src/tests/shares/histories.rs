//! Random histories: whatever happens in whatever order, no crime against data.

use proptest::prelude::*;

use crate::Service;
use crate::testing::{Fault, SHARE, World, rule};
use crate::tests::options;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_in_use_is_unmounted_or_deleted_and_no_rule_of_others_is_ended(
        history in proptest::collection::vec((0_u8..15, 0_u8..2, 0_usize..14, 0_usize..8), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let mut service = world.shares();
            for (what, which, nth, fault) in history {
                let name = ["v", "w"][usize::from(which)];
                if let Some(fault) = Fault::ALL.get(fault) {
                    world.plan(nth, *fault);
                }
                let operation = async {
                    match what {
                        0 | 1 => drop(service.create(name, options(&[("uid", "7")])).await),
                        2 => drop(service.create(name, options(&[("volume_id", SHARE)])).await),
                        3 | 4 => mount(&world, &service, name, "a").await,
                        5 => mount(&world, &service, name, "b").await,
                        6 => drop(service.unmount(name, "a").await),
                        7 => drop(service.unmount(name, "b").await),
                        8 => drop(service.remove(name).await),
                        9 => service.sweep().await,
                        10 => container(&world, name),
                        11 => outsider(&world, name),
                        12 => server(&world, name),
                        13 => move_exports(&world, name),
                        _ => reboot(&world),
                    }
                };
                let died = tokio::select! {
                    () = operation => false,
                    () = world.death.notified() => true,
                };
                world.fault_happened();
                if died {
                    world.bury().await;
                }
                if died || what == 14 {
                    service = world.shares();
                    service.recover().await;
                }
            }
            let state = world.state();
            assert_eq!(state.crimes, Vec::<String>::new());
            assert!(state.manila.shares.contains_key(SHARE));
        });
    }
}

/// Once a Mount was answered, the share holds somebody's data.
async fn mount(world: &World, service: &Service, name: &str, id: &str) {
    if service.mount(name, id).await.is_ok() {
        let mut state = world.state();
        let source =
            state.manila.mounts.get(name).expect("an answered Mount is mounted").export.source().to_owned();
        let share = source.rsplit('/').next().unwrap().to_owned();
        state.manila.precious.insert(share);
    }
}

/// A container starts to show the share if it is mounted, or stops.
fn container(world: &World, name: &str) {
    let mut state = world.state();
    let Some(mounted) = state.manila.mounts.get(name) else { return };
    let source = mounted.export.source().to_owned();
    if !state.manila.users.remove(&source) {
        state.manila.users.insert(source);
    }
}

fn share_of(world: &World, name: &str) -> Option<String> {
    let state = world.state();
    let named = |m: &std::collections::BTreeMap<String, String>| {
        m.get("docker_volume_name").is_some_and(|n| n == name)
    };
    state.manila.shares.values().find(|s| named(&s.metadata)).map(|s| s.id.clone())
}

/// Somebody else is let in to the share, or no longer.
fn outsider(world: &World, name: &str) {
    let Some(share) = share_of(world, name) else { return };
    let id = format!("outsider-{share}");
    let mut state = world.state();
    if state.manila.rules.remove(&id).is_none() {
        state.manila.let_in(&share, rule(&id, "10.0.0.77", "rw", "active"));
    }
}

/// A server dies, or comes back.
fn server(world: &World, name: &str) {
    let Some(share) = share_of(world, name) else { return };
    let source = format!("10.0.0.5:/{share}");
    let mut state = world.state();
    if !state.manila.dead.remove(&source) {
        state.manila.dead.insert(source);
    }
}

fn move_exports(world: &World, name: &str) {
    let Some(share) = share_of(world, name) else { return };
    for location in world.state().manila.exports.get_mut(&share).unwrap() {
        location.path = match location.path.strip_prefix("10.0.0.5") {
            Some(rest) => format!("10.0.0.6{rest}"),
            None => location.path.replace("10.0.0.6", "10.0.0.5"),
        };
    }
}

fn reboot(world: &World) {
    let mut state = world.state();
    state.boot_id.push('x');
    state.manila.mounts.clear();
    state.manila.users.clear();
}
