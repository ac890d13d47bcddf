//! Volumes while the cloud is away, and what others left of theirs.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{World, wait_until};

use crate::Case;
use crate::networks::text;
use crate::volume_commands::volume;
use crate::volumes::{create, sh, volume_named, wait_for_status};

pub(crate) const CASES: &[Case] = &[
    ("h56_volumes_are_listed_and_used_while_dockerd_restarts_without_a_cloud", without_cloud),
    ("a_reservation_another_host_left_is_refused_by_its_attachment_and_ended_by_a_fence", reserved),
];

fn pid(world: &World, container: &str) -> Result<String> {
    world.docker(&["inspect", "--format", "{{.State.Pid}}", container])
}

fn without_cloud(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    for name in ["kept", "again", "idle"] {
        create(world, name, &["size=1"])?;
    }
    sh(world, "idle", "echo idle > /data/file")?;
    world.run("kept", &["--network", "none", "-v", "kept:/data"])?;
    world.run("again", &["--network", "none", "--restart", "always", "-v", "again:/data"])?;
    for name in ["kept", "again"] {
        world.docker(&["exec", name, "sh", "-c", &format!("echo {name} > /data/file && sync")])?;
    }
    world.cloud.clear_log()?;
    world.stop_cloud();
    // First an engine that leaves its containers running, then one that ends them and starts `again` anew.
    let before = pid(world, "kept")?;
    for live_restore in [true, false] {
        world.docker.kill();
        world.docker.set_live_restore(live_restore);
        // It knows the volumes from its journal only.
        world.kill_plugin();
        world.start_plugin()?;
        world.relaunch_docker()?;
        all_are_there(world).with_context(|| format!("live restore: {live_restore}"))?;
        let now = pid(world, "kept")?;
        ensure!((now == before) == live_restore, "`kept` had pid {before} and has {now}");
    }
    // What is mounted needs no cloud, what is not cannot do without and says so.
    let started = world.docker(&["start", "kept"]);
    ensure!(started.is_ok(), "{started:?}");
    ensure!(world.docker(&["exec", "kept", "cat", "/data/file"])? == "kept");
    let run = ["run", "--rm", "--network", "none", "-v", "idle:/data", "busybox", "cat", "/data/file"];
    let error = world.docker_fails(&run)?;
    ensure!(error.contains("volume idle") && error.contains("cannot"), "{error}");
    world.start_cloud()?;
    // That a cloud does not answer is remembered for a second.
    let mut said = Ok(String::new());
    wait_until("the cloud is asked again", || {
        said = world.docker(&run);
        said.is_ok()
    })?;
    ensure!(said? == "idle");
    for name in ["kept", "again"] {
        world.docker(&["exec", name, "sh", "-c", "echo more >> /data/file"])?;
        world.remove(name)?;
        ensure!(sh(world, name, "cat /data/file")? == format!("{name}\nmore"));
    }
    world.docker(&["volume", "rm", "kept", "again", "idle"]).map(drop)
}

fn all_are_there(world: &World) -> Result<()> {
    let listed = world.docker(&["volume", "ls", "--quiet", "--filter", "driver=fuxi"])?;
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    ensure!(listed == ["again", "idle", "kept"], "{listed:?}");
    let shown: Value = serde_json::from_str(&world.docker(&["volume", "inspect", "idle"])?)?;
    ensure!(text(&shown[0], "Driver") == "fuxi", "{shown}");
    wait_until("`again` runs with its data", || {
        world.docker(&["exec", "again", "cat", "/data/file"]).is_ok_and(|said| said == "again")
    })
}

/// A host that died while its storage was at work: nobody can tell whose it is, so an operator has to.
fn reserved(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    sh(world, "my_vol", "echo kept > /data/file")?;
    wait_for_status(world, "my_vol", "available")?;
    let id = text(&volume_named(world, "my_vol")?, "id").to_owned();
    let attachments = format!("/volume/v3/{}/attachments", world.cloud.project("demo")?);
    let made = world.cloud.api("POST", &attachments, Some(json!({"attachment": {"volume_uuid": id}})))?;
    let attachment = text(&made["attachment"], "id").to_owned();
    let before = volume_named(world, "my_vol")?;
    ensure!(text(&before, "status") == "reserved", "{before}");
    let run = ["run", "--rm", "--network", "none", "-v", "my_vol:/data", "busybox", "cat", "/data/file"];
    let error = world.docker_fails(&run)?;
    for part in ["is reserved", &attachment, "kuryr volume fence my_vol"] {
        ensure!(error.contains(part), "`{part}` is not in the text: {error}");
    }
    let removal = world.docker_fails(&["volume", "rm", "my_vol"])?;
    ensure!(removal.contains("my_vol"), "{removal}");
    ensure!(volume_named(world, "my_vol")? == before, "it was changed");
    let shown = volume(world, &["fence", "my_vol"])?;
    ensure!(shown.contains(&attachment) && shown.contains("reserved"), "{shown}");
    volume(world, &["fence", "my_vol", "--attachment", &attachment])?;
    ensure!(world.docker(&run)? == "kept");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}
