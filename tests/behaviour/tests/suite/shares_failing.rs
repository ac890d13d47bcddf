//! Shares while the plugin, the engine, Manila or the storage behind it have their troubles.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{STORAGE, World, wait_until};

use crate::Case;
use crate::crashes::at_every_call;
use crate::networks::text;
use crate::shares::{
    allow, create, id_of, mounted, remove, rules, run, wait_for_no_rule, wait_for_rule, with,
};

pub(crate) const CASES: &[Case] = &[
    ("a_mounted_share_serves_on_through_a_restart_and_a_crash_of_the_plugin", restarts),
    ("a_crash_while_a_share_is_let_in_leaks_no_rule_and_loses_nothing", crash_at_rule),
    ("a_mount_waits_for_its_own_access_rule_whatever_becomes_of_others", flickering),
    ("an_access_rule_that_is_applied_again_is_waited_for_and_disturbs_no_container", applied_again),
    ("an_access_rule_the_storage_cannot_apply_is_named_and_the_repetition_works", rule_fails),
    ("a_share_that_moved_is_mounted_from_its_new_place_next_time", moved),
    ("a_mounted_share_outlives_restarts_of_engine_and_plugin_without_the_cloud", without_cloud),
];

const RUN: [&str; 13] = [
    "run",
    "--detach",
    "--name",
    "one",
    "--stop-timeout",
    "0",
    "--network",
    "none",
    "-v",
    "my_share:/data",
    "busybox",
    "sleep",
    "1000",
];

fn exec(world: &World, script: &str) -> Result<String> {
    world.docker(&["exec", "one", "sh", "-c", script])
}

fn is_listed(world: &World) -> Result<()> {
    let listed = world.docker(&["volume", "ls", "--quiet", "--filter", "driver=fuxi"])?;
    ensure!(listed == "my_share", "listed: {listed:?}");
    Ok(())
}

fn share_faults(world: &World, faults: serde_json::Value) -> Result<()> {
    world.cloud.admin("POST", "options", Some(json!({"share_faults": faults}))).map(drop)
}

fn restarts(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        run(world, "one", "my_share")?;
        exec(world, "echo before > /data/file")?;
        ensure!(world.stop_plugin(), "the plugin had to be killed");
        exec(world, "echo away >> /data/file")?;
        world.start_plugin()?;
        is_listed(world)?;
        exec(world, "echo restarted >> /data/file")?;
        world.crash_plugin()?;
        is_listed(world)?;
        ensure!(
            exec(world, "echo crashed >> /data/file; cat /data/file")? == "before\naway\nrestarted\ncrashed"
        );
        ensure!(rules(world, &id)?.len() == 1, "the rule of a mounted share");
        run(world, "two", "my_share")?;
        world.remove("one")?;
        ensure!(world.docker(&["exec", "two", "cat", "/data/file"])?.ends_with("crashed"));
        world.remove("two")?;
        wait_for_no_rule(world, &id)?;
        remove(world, "my_share")
    })
}

fn crash_at_rule(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        at_every_call(world, "/share/v2/*/action", &RUN, |world| {
            world.docker(&["exec", "one", "sh", "-c", "echo x >> /data/rounds"])?;
            ensure!(rules(world, &id)?.len() == 1, "rules: {:?}", rules(world, &id)?);
            world.remove("one")?;
            wait_for_no_rule(world, &id)
        })?;
        let rounds = crate::volumes::sh(world, "my_share", "grep -c x /data/rounds")?;
        ensure!(rounds == "4", "data was lost: {rounds} rounds left");
        remove(world, "my_share")
    })
}

fn flickering(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        // Another host's is stuck, a third one's fails, and ours takes its time through its states.
        share_faults(world, json!({"stuck_rules": true}))?;
        let stuck = allow(world, &id, "192.168.77.50")?;
        share_faults(world, json!({"next_rule_fails": 1}))?;
        let failed = allow(world, &id, "192.168.77.51")?;
        wait_for_rule(world, &failed, "error")?;
        share_faults(world, json!({"rule_ms": 400}))?;
        world.cloud.clear_log()?;
        run(world, "one", "my_share")?;
        let polls = world.cloud.calls()?.iter().filter(|c| c.path.contains("/share-access-rules/")).count();
        ensure!(polls > 1, "its own rule was not waited for: {polls} looks");
        exec(world, "echo kept > /data/file")?;
        let others = |world: &World| -> Result<Vec<String>> {
            let rules = rules(world, &id)?;
            let others = rules.iter().filter(|r| [stuck.as_str(), failed.as_str()].contains(&text(r, "id")));
            Ok(others.map(|rule| text(rule, "state").to_owned()).collect())
        };
        ensure!(others(world)?.len() == 2, "others' rules were touched: {:?}", others(world)?);
        share_faults(world, json!({}))?;
        world.remove("one")?;
        wait_until("only others' rules are left", || rules(world, &id).is_ok_and(|r| r.len() == 2))?;
        // Others are let in, so it is not deleted under them.
        let error = world.docker_fails(&["volume", "rm", "my_share"])?;
        ensure!(error.contains("192.168.77.5"), "{error}");
        for rule in [stuck, failed] {
            crate::shares::act(world, &id, json!({"deny_access": {"access_id": rule}}))?;
        }
        wait_for_no_rule(world, &id)?;
        remove(world, "my_share")
    })
}

fn applied_again(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        let rule = allow(world, &id, "192.168.77.9")?;
        wait_for_rule(world, &rule, "active")?;
        share_faults(world, json!({"rule_ms": 700}))?;
        world.cloud.admin("POST", &format!("shares/{id}/resync"), None)?;
        wait_for_rule(world, &rule, "applying")?;
        // A host that has never heard of the share has to look for the rule, and finds it being applied.
        world.kill_plugin();
        std::fs::remove_dir_all(world.state_dir())?;
        world.start_plugin()?;
        run(world, "one", "my_share")?;
        wait_for_rule(world, &rule, "active")?;
        world.cloud.admin("POST", &format!("shares/{id}/resync"), None)?;
        wait_for_rule(world, &rule, "applying")?;
        run(world, "two", "my_share")?;
        ensure!(exec(world, "echo kept > /data/file; cat /data/file")? == "kept");
        wait_for_rule(world, &rule, "active")?;
        share_faults(world, json!({}))?;
        world.docker(&["rm", "--force", "one", "two"])?;
        ensure!(rules(world, &id)?.len() == 1, "a rule that was there before is gone");
        crate::shares::act(world, &id, json!({"deny_access": {"access_id": rule}}))?;
        wait_for_no_rule(world, &id)?;
        remove(world, "my_share")
    })
}

fn rule_fails(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        share_faults(world, json!({"next_rule_fails": 1}))?;
        let error = world.docker_fails(&RUN)?;
        ensure!(error.contains("access rule") && error.contains("192.168.77.9"), "{error}");
        world.remove("one")?;
        wait_for_no_rule(world, &id).context("the failed rule is ended")?;
        world.docker(&RUN)?;
        exec(world, "echo kept > /data/file")?;
        world.remove("one")?;
        remove(world, "my_share")
    })
}

fn moved(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        let from = |host: &str| format!("{host}:/share-{id} ");
        run(world, "one", "my_share")?;
        exec(world, "echo kept > /data/file")?;
        ensure!(mounted(world, "one")?.starts_with(&from(STORAGE[0])), "{}", mounted(world, "one")?);
        let to = json!({"host": STORAGE[1]});
        world.cloud.admin("POST", &format!("shares/{id}/move"), Some(to))?;
        exec(world, "echo served >> /data/file")?;
        run(world, "two", "my_share")?;
        ensure!(mounted(world, "two")?.starts_with(&from(STORAGE[0])), "what is mounted works on");
        world.docker(&["rm", "--force", "one", "two"])?;
        run(world, "one", "my_share")?;
        ensure!(mounted(world, "one")?.starts_with(&from(STORAGE[1])), "{}", mounted(world, "one")?);
        ensure!(exec(world, "cat /data/file")? == "kept\nserved");
        world.remove("one")?;
        remove(world, "my_share")
    })
}

fn without_cloud(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        run(world, "one", "my_share")?;
        exec(world, "echo kept > /data/file")?;
        world.stop_cloud();
        world.docker.kill();
        world.crash_plugin()?;
        // The engine takes over the container instead of ending it.
        world.docker.set_live_restore(true);
        world.relaunch_docker()?;
        is_listed(world)?;
        ensure!(exec(world, "echo away >> /data/file; cat /data/file")? == "kept\naway");
        run(world, "two", "my_share").context("a second container without the cloud")?;
        ensure!(world.docker(&["exec", "two", "cat", "/data/file"])? == "kept\naway");
        world.start_cloud()?;
        world.docker(&["rm", "--force", "one", "two"])?;
        wait_for_no_rule(world, &id)?;
        world.docker.stop();
        world.docker.set_live_restore(false);
        world.relaunch_docker()?;
        remove(world, "my_share")
    })
}
