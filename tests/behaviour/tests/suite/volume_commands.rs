//! `kuryr volume`: what Docker has no words for.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{World, wait_until};

use crate::Case;
use crate::networks::text;
use crate::volumes::{create, sh, volume_named, wait_for_status};

pub(crate) const CASES: &[Case] = &[
    ("a_mounted_volume_is_extended_and_its_container_has_the_room", extended),
    ("a_snapshot_becomes_a_volume_with_what_was_there_then", snapshot),
    ("a_volume_is_cloned_by_its_docker_name", cloned),
    ("h38_a_volume_of_a_dead_host_is_mounted_after_its_attachment_was_fenced", fenced),
    ("a_cinder_volume_is_adopted_by_command", adopted),
];

/// What the command prints; it must succeed.
pub(crate) fn volume(world: &World, args: &[&str]) -> Result<String> {
    let output = command(world, args)?;
    ensure!(output.status.success(), "kuryr volume {args:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn command(world: &World, args: &[&str]) -> Result<std::process::Output> {
    let config = world.dir().join("fuxi.conf");
    let config = config.to_string_lossy();
    world.kuryr(&[&["volume", "--fuxi-config-file", &config], args].concat())
}

fn json(world: &World, args: &[&str]) -> Result<Value> {
    serde_json::from_str(&volume(world, &[&["--json"], args].concat())?).context("its JSON")
}

fn extended(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "grows", &["size=1", "fstype=xfs"])?;
    world.run("user", &["--network", "none", "-v", "grows:/data"])?;
    ensure!(volume(world, &["extend", "grows", "3"])? == "grows has 3 GiB");
    let df = world.docker(&["exec", "user", "df", "-k", "/data"])?;
    let kib: u64 =
        df.lines().last().and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default();
    ensure!(kib > 2_800_000, "{df}");
    let smaller = command(world, &["extend", "grows", "2"])?;
    let said = String::from_utf8_lossy(&smaller.stderr).into_owned();
    ensure!(!smaller.status.success() && said.contains("a volume cannot shrink"), "{said}");
    world.remove("user")?;
    world.docker(&["volume", "rm", "grows"]).map(drop)
}

fn snapshot(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "book", &["size=1"])?;
    world.run("writer", &["--network", "none", "-v", "book:/data"])?;
    world.docker(&["exec", "writer", "sh", "-c", "echo then > /data/page"])?;
    let id = volume(world, &["snapshot", "book", "chapter-one"])?;
    world.docker(&["exec", "writer", "sh", "-c", "echo now > /data/page"])?;
    let listed = json(world, &["snapshots", "book"])?;
    ensure!(listed[0]["id"] == id.as_str() && listed[0]["name"] == "chapter-one", "{listed}");
    create(world, "old_book", &["size=1", &format!("snapshot_id={id}")])?;
    ensure!(sh(world, "old_book", "cat /data/page")? == "then");
    world.docker(&["volume", "rm", "old_book"])?;
    let one = format!("/volume/v3/{}/snapshots/{id}", world.cloud.project("demo")?);
    world.cloud.api("DELETE", &one, None)?;
    world.remove("writer")?;
    // Cinder only begins to delete it, and keeps the volume of a snapshot that still is.
    wait_until("the snapshot is gone", || world.cloud.api("GET", &one, None).is_err())?;
    world.docker(&["volume", "rm", "book"]).map(drop)
}

fn cloned(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "dolly_one", &["size=1"])?;
    sh(world, "dolly_one", "echo wool > /data/coat")?;
    volume(world, &["clone", "dolly_one", "dolly_two"])?;
    ensure!(sh(world, "dolly_two", "cat /data/coat")? == "wool");
    let listed = volume(world, &["ls"])?;
    ensure!(listed.contains("dolly_one") && listed.contains("dolly_two"), "{listed}");
    world.docker(&["volume", "rm", "dolly_one"])?;
    world.docker(&["volume", "rm", "dolly_two"]).map(drop)
}

fn fenced(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "heirloom", &["size=1"])?;
    sh(world, "heirloom", "echo old > /data/file")?;
    wait_for_status(world, "heirloom", "available")?;
    let id = text(&volume_named(world, "heirloom")?, "id").to_owned();
    let attachments = format!("/volume/v3/{}/attachments", world.cloud.project("demo")?);
    let connector = json!({"host": "late-host", "mountpoint": "late-host:/fuxi/data/heirloom"});
    let body = json!({"attachment": {"volume_uuid": id, "mode": "rw", "connector": connector}});
    let made = world.cloud.api("POST", &attachments, Some(body))?;
    let attachment = text(&made["attachment"], "id").to_owned();
    let complete = format!("{attachments}/{attachment}/action");
    world.cloud.api("POST", &complete, Some(json!({"os-complete": null})))?;
    let run = ["run", "--rm", "--network", "none", "-v", "heirloom:/data", "busybox", "cat", "/data/file"];
    let error = world.docker_fails(&run)?;
    ensure!(error.contains("late-host:/fuxi/data/heirloom") && error.contains("volume fence"), "{error}");
    let shown = volume(world, &["fence", "heirloom"])?;
    ensure!(shown.contains(&format!("kuryr volume fence heirloom --attachment {attachment}")), "{shown}");
    let wrong = command(world, &["fence", "heirloom", "--attachment", &id])?;
    ensure!(!wrong.status.success(), "an attachment that does not exist was fenced");
    volume(world, &["fence", "heirloom", "--attachment", &attachment])?;
    ensure!(world.docker(&run)? == "old");
    world.docker(&["volume", "rm", "heirloom"]).map(drop)
}

fn adopted(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "donor", &["size=1"])?;
    let id = text(&volume_named(world, "donor")?, "id").to_owned();
    let output = command(world, &["adopt", "stepchild", &id])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.contains("is the Docker volume donor already"), "{said}");
    world.docker(&["volume", "rm", "donor"])?;
    let volumes = format!("/volume/v3/{}/volumes", world.cloud.project("demo")?);
    let made = world.cloud.api("POST", &volumes, Some(json!({"volume": {"name": "bare", "size": 1}})))?;
    let id = text(&made["volume"], "id").to_owned();
    wait_for_status(world, "bare", "available")?;
    let before = volume_named(world, "bare")?;
    ensure!(volume(world, &["adopt", "stepchild", &id])? == "stepchild");
    let shown = json(world, &["show", "stepchild"])?;
    ensure!(shown["status"]["origin"] == "adopted" && shown["cloud_status"] == "available", "{shown}");
    world.docker(&["volume", "rm", "stepchild"])?;
    ensure!(volume_named(world, "bare")?["metadata"] == before["metadata"], "it was not given back as found");
    world.cloud.api("DELETE", &format!("{volumes}/{id}"), None)?;
    wait_until("the donor's volume is gone", || volume_named(world, "bare").is_err())
}
