//! A fault and a kill at every step of every driver.

use std::sync::Arc;

use super::kinds::{KINDS, equipped, planned, plugged, setup, teardown};
use crate::doubles::{Fault, Process, World};
use crate::state::Plug;

const FAULTS: [Fault; 5] = [Fault::Fail, Fault::Lost, Fault::DieBefore, Fault::DieAfter, Fault::Down];

async fn outcome(world: &Arc<World>, fault: (usize, Fault), plug: &Plug, up: bool) -> crate::Result<bool> {
    let process = Process::new(world);
    let host = process.host();
    world.arm(fault.0, fault.1);
    let work = async { if up { setup(&host, plug).await } else { teardown(&host, plug).await } };
    let done = tokio::select! {
        done = work => done.map(|()| true),
        () = process.death() => Ok(false),
    };
    world.disarm();
    done
}

async fn again(world: &Arc<World>, plug: &Plug, up: bool) {
    let host = Process::new(world).host();
    if up { setup(&host, plug).await.unwrap() } else { teardown(&host, plug).await.unwrap() }
}

#[tokio::test]
async fn whatever_happens_while_plugging_the_record_alone_leads_back() {
    for (kind, facts) in KINDS {
        let world = equipped();
        let before = world.snapshot();
        let plug = planned(&world, facts).await;
        again(&world, &plug, true).await;
        let plugged = world.snapshot();
        assert_ne!(plugged, before, "{kind}");
        let steps = world.all_calls();
        again(&world, &plug, false).await;
        assert_eq!(world.snapshot(), before, "{kind}");
        for fault in FAULTS {
            for at in 1..=steps {
                let when = format!("{kind}: {fault:?} at step {at} of {steps}");
                let done = outcome(&world, (at, fault), &plug, true).await;
                assert!(!matches!(done, Ok(true)), "{when}");
                if let Err(error) = done {
                    let text = error.to_string();
                    assert!(!text.contains('\n') && text.len() > 20, "{when}: {text}");
                }
                // As often as one likes, in both directions.
                again(&world, &plug, false).await;
                again(&world, &plug, false).await;
                assert_eq!(world.snapshot(), before, "{when}");
                outcome(&world, (at, fault), &plug, true).await.ok();
                again(&world, &plug, true).await;
                again(&world, &plug, true).await;
                assert_eq!(world.snapshot(), plugged, "{when}");
                again(&world, &plug, false).await;
                assert_eq!(world.snapshot(), before, "{when}");
            }
        }
    }
}

#[tokio::test]
async fn unplugging_goes_on_after_a_failure_and_the_repeat_finishes_it() {
    for (kind, facts) in KINDS {
        let world = equipped();
        let before = world.snapshot();
        let plug = plugged(&world, facts).await;
        world.all_calls();
        again(&world, &plug, false).await;
        let steps = world.all_calls();
        for fault in FAULTS {
            for at in 1..=steps {
                let when = format!("{kind}: {fault:?} at step {at} of {steps}");
                again(&world, &plug, true).await;
                world.all_calls();
                let done = outcome(&world, (at, fault), &plug, false).await;
                if fault == Fault::Fail && kind != "virtual function" && kind != "macvtap" {
                    assert_eq!(world.all_calls(), steps, "{when}: every step is tried");
                    assert!(done.is_err() || kind == "script", "{when}");
                }
                again(&world, &plug, false).await;
                assert_eq!(world.snapshot(), before, "{when}");
            }
        }
    }
}

#[tokio::test]
async fn what_vanished_is_unplugged() {
    for (kind, facts) in KINDS {
        let world = equipped();
        let before = world.snapshot();
        let things: Vec<String> = {
            plugged(&world, facts).await;
            let cloud = world.cloud.lock().unwrap();
            cloud.links.keys().chain(cloud.switch_ports.keys()).cloned().collect()
        };
        for thing in things {
            let plug = plugged(&world, facts).await;
            {
                let mut cloud = world.cloud.lock().unwrap();
                // A pair goes as one.
                if let Some(peer) = cloud.links.remove(&thing).and_then(|link| link.peer) {
                    cloud.links.remove(&peer);
                }
                cloud.switch_ports.remove(&thing);
            }
            again(&world, &plug, false).await;
            assert_eq!(world.snapshot(), before, "{kind}: without {thing}");
        }
    }
}

#[tokio::test]
async fn what_others_have_under_our_names_is_neither_taken_nor_removed() {
    for (kind, facts) in KINDS {
        let world = equipped();
        let plug = plugged(&world, facts).await;
        {
            let mut cloud = world.cloud.lock().unwrap();
            for link in cloud.links.values_mut() {
                link.mark = Some("kuryr:another-port".to_owned());
            }
            for port in cloud.switch_ports.values_mut() {
                port.external_ids.insert("owner".to_owned(), "nova".to_owned());
            }
        }
        if plug.host == plug.container {
            continue;
        }
        let theirs = world.snapshot();
        let host = Process::new(&world).host();
        assert!(setup(&host, &plug).await.is_err(), "{kind}");
        teardown(&host, &plug).await.unwrap();
        let (left, theirs) = (world.snapshot(), theirs);
        assert_eq!((left.links, left.switch_ports), (theirs.links, theirs.switch_ports), "{kind}");
    }
}
