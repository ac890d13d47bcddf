//! What holds after recovery, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use openstack::block_storage::{Attachment, Volume as CinderVolume};
use openstack::shared_file_systems::Share;
use serde_json::{Map, Value};

use super::docker::{Existence, Kind, READ};
use super::life::Life;
use crate::Content;
use crate::testing::{ADOPTABLE, SHARE, State, World, foreign_filesystem, rule, volume};

/// Another host's attachment.
const THEIRS: &str = "their-attachment";

/// What is the user's and others'.
pub(super) fn furnish(world: &World) {
    let mut state = world.state();
    state.types = serde_json::from_value(serde_json::json!([{
        "id": "t", "name": "many", "extra_specs": {"multiattach": "<is> True"},
    }]))
    .unwrap();
    let mut read = volume(READ, "read", "in-use");
    read.multiattach = true;
    state.volumes.insert(READ.into(), read);
    state.content.insert(READ.into(), foreign_filesystem());
    state.precious.insert(READ.into());
    let attachment = Attachment {
        id: THEIRS.into(),
        volume_id: READ.into(),
        status: "attached".into(),
        instance: None,
        attach_mode: Some("ro".into()),
        connection_info: Map::new(),
    };
    state.attachments.insert(THEIRS.into(), attachment);
    state.data.insert(ADOPTABLE.into(), vec![1, 2, 3]);
    state.data.insert(READ.into(), vec![4, 5, 6]);
    state.data.insert(SHARE.into(), vec![7, 8, 9]);
    state.manila.let_in(SHARE, rule("their-rule", "10.0.0.77", "rw", "active"));
    state.manila.precious.insert(SHARE.into());
}

/// What another host reads is given back by nobody.
pub(super) fn others_read(world: &World) -> bool {
    world.state().attachments.contains_key(THEIRS)
}

/// What was used and nobody is deleting. Recovery deletes none of it, whatever Docker asked for before.
pub(super) fn alive_with_data(world: &World) -> BTreeSet<String> {
    let state = world.state();
    let volumes = state.volumes.values().filter(|v| v.status != "deleting").map(|v| &v.id);
    let shares = state.manila.shares.values().filter(|s| s.status != "deleting").map(|s| &s.id);
    let used = |id: &&String| state.precious.contains(*id) || state.manila.precious.contains(*id);
    volumes.chain(shares).filter(used).cloned().collect()
}

/// All that must be as it was when all is over.
#[derive(Debug, PartialEq)]
pub(super) struct Before {
    volumes: BTreeMap<String, CinderVolume>,
    content: BTreeMap<String, Content>,
    attachments: BTreeSet<String>,
    shares: BTreeMap<String, Share>,
    rules: BTreeSet<String>,
}

impl Before {
    pub(super) fn of(world: &World) -> Self {
        let state = world.state();
        let volumes: BTreeMap<_, _> =
            state.volumes.clone().into_iter().filter(|(_, v)| v.status != "deleting").collect();
        let shares: BTreeMap<_, _> =
            state.manila.shares.clone().into_iter().filter(|(_, s)| s.status != "deleting").collect();
        Self {
            content: state.content.clone().into_iter().filter(|(id, _)| volumes.contains_key(id)).collect(),
            attachments: state.attachments.keys().cloned().collect(),
            rules: lasting_rules(&state).into_values().flatten().collect(),
            volumes,
            shares,
        }
    }
}

/// The ids of rules that nobody is ending, by share.
fn lasting_rules(state: &State) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<_, BTreeSet<_>>::new();
    for (id, (share, rule)) in &state.manila.rules {
        let lives = state.manila.shares.get(share).is_some_and(|s| s.status != "deleting");
        if lives && !["queued_to_deny", "denying"].contains(&rule.state.as_str()) {
            found.entry(share.clone()).or_default().insert(id.clone());
        }
    }
    found
}

fn journal(world: &World) -> Vec<Value> {
    let load = |name| world.journal.collection::<Value>(name).unwrap().load().unwrap();
    let (volumes, shares) = (load("volumes"), load("shares"));
    assert!(volumes.unreadable.is_empty() && shares.unreadable.is_empty(), "the journal cannot be read");
    volumes.entries.into_values().chain(shares.entries.into_values()).collect()
}

/// The fault is over and the service has had its time: everything is in use and wanted, or gone.
pub(super) fn after_recovery(life: &mut Life) {
    settle_beliefs(life);
    let state = life.world.state();
    assert_eq!(state.crimes, [""; 0]);
    let used = |share: bool| -> BTreeSet<&str> {
        let running = life.volumes.iter().filter(|v| v.kind.is_share() == share && !v.containers.is_empty());
        running.filter_map(|v| v.id.as_deref()).collect()
    };
    let (volumes, shares) = (used(false), used(true));
    let own = state.attachments.values().filter(|a| a.id != THEIRS);
    assert_eq!(own.map(|a| a.volume_id.as_str()).collect::<BTreeSet<_>>(), volumes, "attachments");
    assert_eq!(state.attachments.len() - 1, volumes.len(), "one attachment for each");
    assert_eq!(state.mounts.values().map(String::as_str).collect::<BTreeSet<_>>(), volumes, "mounts");
    let devices = if state.in_server { &state.server_disks } else { &state.connected };
    assert_eq!(devices.iter().map(String::as_str).collect::<BTreeSet<_>>(), volumes, "devices");
    let mounted = life.volumes.iter().filter(|v| v.kind.is_share()).filter_map(|v| v.mounted(&state));
    assert_eq!(mounted.collect::<BTreeSet<_>>(), shares.iter().map(|s| (*s).to_owned()).collect(), "mounts");
    assert_eq!(state.manila.mounts.len(), shares.len(), "mounts of shares");
    let rules = lasting_rules(&state);
    let own: BTreeSet<_> = rules
        .iter()
        .filter(|(_, r)| r.iter().any(|id| id != "their-rule"))
        .map(|(s, _)| s.as_str())
        .collect();
    assert_eq!(own, shares, "access rules");
    // One that could not be deleted at once goes with the copy it was made for.
    let copies = life.volumes.iter().any(|v| v.kind == Kind::Copy && v.exists == Existence::Yes);
    assert!(state.snapshots.is_empty() || copies, "{:?}", state.snapshots);
    for volume in &life.volumes {
        if volume.exists == Existence::Yes {
            volume.check_data(&state);
        }
    }
    drop(state);
    for record in journal(&life.world) {
        let stage = record["stage"].as_str().unwrap();
        let known = life.volumes.iter().any(|v| record["name"] == v.name && v.exists != Existence::No);
        // One whose request left no trace waits for it; a repeat or a removal ends that.
        let waits = stage == "creating" && record["volume_id"].is_null() && record["share_id"].is_null();
        let rests = ["ready", "attached", "mounted"].contains(&stage);
        assert!(waits || (known && rests), "{record:#}");
    }
}

/// Docker asks again for what it does not know for certain, and learns the truth.
fn settle_beliefs(life: &mut Life) {
    for which in 0..life.volumes.len() {
        let (name, exists) = (life.volumes[which].name, life.volumes[which].exists);
        let found = life.with(async |s| s.get(name).await).unwrap().unwrap().is_some();
        // A list does not wait for long, and a busy machine may keep it waiting.
        let list = |_| life.with(async |s| s.list().await).unwrap().unwrap().iter().any(|v| v.name == name);
        let listed = (0..10).map(list).find(|listed| *listed == found).unwrap_or(!found);
        assert_eq!(found, listed, "{name}: found and listed");
        assert!(found || exists != Existence::Yes, "{name} is lost");
        assert!(!found || exists != Existence::No, "{name} came from nowhere");
        let volume = &mut life.volumes[which];
        // Manila deletes nothing that another host may have let in meanwhile; such a share is shown.
        assert!(!found || !volume.refused || volume.kind.is_share(), "{name} was refused and is there");
        volume.refused = false;
        match found {
            true => volume.exists = Existence::Yes,
            false => volume.forget(),
        }
        if !found {
            let state = life.world.state();
            let named = |m: &BTreeMap<String, String>| m.get("docker_volume_name").is_some_and(|n| n == name);
            let mut left = state.volumes.values().filter(|v| v.status != "deleting" && named(&v.metadata));
            assert!(left.next().is_none(), "{name} is nobody's in Cinder");
            let mut left =
                state.manila.shares.values().filter(|s| s.status != "deleting" && named(&s.metadata));
            assert!(left.next().is_none(), "{name} is nobody's in Manila");
        }
    }
}

/// Each volume is used once more, then all are removed: the world is as it was.
pub(super) fn all_ends_well(life: &mut Life) {
    let fine = |result, what: &str| assert_eq!(result, Some(Ok(())), "{what}");
    let all = 0..life.volumes.len();
    for which in all.clone() {
        while !life.volumes[which].containers.is_empty() {
            fine(life.stop(which), "the last stops");
        }
    }
    life.with(async |s| s.sweep().await).unwrap();
    after_recovery(life);
    for which in all.clone() {
        if life.volumes[which].exists == Existence::Yes {
            fine(life.start(which, "z"), "the next mount");
            fine(life.stop(which), "the unmount after it");
        }
    }
    after_recovery(life);
    let theirs = life.world.state().attachments.remove(THEIRS);
    life.world.state().volumes.get_mut(READ).unwrap().status = "available".into();
    for which in all {
        fine(life.remove(which), "the removal");
    }
    let mut state = life.world.state();
    state.attachments.extend(theirs.map(|a| (a.id.clone(), a)));
    state.volumes.get_mut(READ).unwrap().status = "in-use".into();
    drop(state);
    after_recovery(life);
    assert_eq!(Before::of(&life.world), *life.before());
    for volume in &life.volumes {
        let id = volume.kind.options().remove("volume_id");
        let Some(id) = id else { continue };
        let found = life.world.state().data.get(&id).cloned();
        assert_eq!(found.as_ref(), Some(&volume.written), "the user's own {id}");
    }
    assert!(life.world.journal_is_empty(), "{:#?}", journal(&life.world));
}
