//! Shares of Manila as volumes, on a real storage: GlusterFS, which the development cloud's Manila has make its shares.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{SHARE_HOST, STORAGE, World, wait_until};

use crate::Case;
use crate::budgets::settled;
use crate::networks::text;
use crate::volumes::{create as create_volume, sh};

pub(crate) const CASES: &[Case] = &[
    ("a_share_keeps_a_file_from_one_container_to_the_next", keeps),
    ("two_containers_write_to_one_share_the_first_for_two_calls_and_polls_the_second_for_none", second),
    ("h48_the_storage_lets_this_host_in_only_while_a_container_has_the_share", let_in),
    ("an_access_rule_that_was_there_before_serves_and_stays", rule_before),
    ("a_share_reused_by_id_keeps_its_data_and_is_given_back_as_found", adopted),
    ("two_shares_and_a_volume_serve_one_container_side_by_side", side_by_side),
    ("a_mounted_share_is_extended_and_its_container_has_the_room", extended),
    ("a_read_only_share_is_read_and_not_written", read_only),
    ("a_share_made_from_a_snapshot_has_what_was_there_then", snapshot),
];

/// A case with shares beside volumes; those after it have volumes only, as a new world has.
pub(crate) fn with(world: &mut World, case: impl FnOnce(&mut World) -> Result<()>) -> Result<()> {
    world.needs_shares()?;
    world.serve_shares()?;
    case(world)?;
    world.serve_no_shares()
}

pub(crate) fn create(world: &World, name: &str, options: &[&str]) -> Result<String> {
    create_volume(world, name, &[&["volume_provider=manila"], options].concat())
}

/// A container with the share that sleeps.
pub(crate) fn run(world: &World, container: &str, share: &str) -> Result<()> {
    world.run(container, &["--network", "none", "-v", &format!("{share}:/data")]).map(drop)
}

pub(crate) fn remove(world: &World, share: &str) -> Result<()> {
    world.docker(&["volume", "rm", share]).map(drop)
}

pub(crate) fn share_named(world: &World, name: &str) -> Result<Value> {
    let answer = world.cloud.api("GET", &format!("/share/v2/shares/detail?name={name}"), None)?;
    answer["shares"].get(0).cloned().with_context(|| format!("no share {name} in Manila"))
}

pub(crate) fn id_of(world: &World, name: &str) -> Result<String> {
    Ok(text(&share_named(world, name)?, "id").to_owned())
}

pub(crate) fn rules(world: &World, id: &str) -> Result<Vec<Value>> {
    let answer = world.cloud.api("GET", &format!("/share/v2/share-access-rules?share_id={id}"), None)?;
    Ok(answer["access_list"].as_array().cloned().unwrap_or_default())
}

fn users(world: &World, id: &str) -> Result<Vec<String>> {
    Ok(rules(world, id)?.iter().map(|rule| text(rule, "access_to").to_owned()).collect())
}

pub(crate) fn wait_for_no_rule(world: &World, id: &str) -> Result<()> {
    wait_until("the share has no rule", || rules(world, id).is_ok_and(|rules| rules.is_empty()))
}

pub(crate) fn act(world: &World, id: &str, action: Value) -> Result<Value> {
    world.cloud.api("POST", &format!("/share/v2/shares/{id}/action"), Some(action))
}

/// A rule of the tenant's own; its id.
pub(crate) fn allow(world: &World, id: &str, to: &str) -> Result<String> {
    let rule = json!({"access_type": "ip", "access_to": to, "access_level": "rw"});
    let made = act(world, id, json!({"allow_access": rule}))?;
    Ok(text(&made["access"], "id").to_owned())
}

pub(crate) fn wait_for_rule(world: &World, rule: &str, state: &str) -> Result<()> {
    let path = format!("/share/v2/share-access-rules/{rule}");
    wait_until(&format!("rule {rule} is {state}"), || {
        world.cloud.api("GET", &path, None).is_ok_and(|answer| text(&answer["access"], "state") == state)
    })
}

/// A share of the tenant's own, made without us.
fn make_share(world: &World, name: &str) -> Result<String> {
    let share = json!({"name": name, "size": 1, "share_proto": "GLUSTERFS", "metadata": {"theirs": "yes"}});
    let made = world.cloud.api("POST", "/share/v2/shares", Some(json!({"share": share})))?;
    wait_until("the share is there", || {
        share_named(world, name).is_ok_and(|share| text(&share, "status") == "available")
    })?;
    Ok(text(&made["share"], "id").to_owned())
}

fn delete(world: &World, collection: &str, id: &str) -> Result<()> {
    let one = format!("/share/v2/{collection}/{id}");
    world.cloud.api("DELETE", &one, None)?;
    wait_until("it is gone from Manila", || world.cloud.api("GET", &one, None).is_err())
}

/// What a container sees mounted on `/data`.
pub(crate) fn mounted(world: &World, container: &str) -> Result<String> {
    world.docker(&["exec", container, "grep", " /data ", "/proc/mounts"])
}

/// Whether the storage itself lets this host in, whatever Manila says of it.
fn storage_lets_in(world: &World, id: &str) -> Result<bool> {
    let dir = world.dir().join("probe");
    std::fs::create_dir_all(&dir)?;
    let dir = dir.to_string_lossy().into_owned();
    let (server, volume) = (format!("--volfile-server={}", STORAGE[0]), format!("--volfile-id=/share-{id}"));
    let log = world.dir().join("probe.log");
    let args = ["--no-daemon", &server, &volume, &dir];
    let mut client = world.host().spawn("glusterfs", &args, &log)?;
    let mut serves = false;
    let shown = || world.inside_host("findmnt", &["--types", "fuse.glusterfs", &dir]).is_ok();
    // A refused client mounts first, and then unmounts and ends by itself: what is looked at must be mounted all the while.
    wait_until("the storage lets in or refuses", || {
        serves = shown() && world.inside_host("timeout", &["5", "ls", &dir]).is_ok() && shown();
        serves || !client.is_running()
    })?;
    if serves {
        world.inside_host("umount", &[&dir])?;
        client.wait(Duration::from_secs(10));
    }
    Ok(serves)
}

fn keeps(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        sh(world, "my_share", "echo kept > /data/file")?;
        ensure!(sh(world, "my_share", "cat /data/file")? == "kept");
        let mounts = sh(world, "my_share", "grep ' /data ' /proc/mounts")?;
        ensure!(mounts.contains(" fuse.glusterfs ") && mounts.contains(STORAGE[0]), "{mounts}");
        remove(world, "my_share")?;
        ensure!(share_named(world, "my_share").is_err(), "the share is still in Manila");
        Ok(())
    })
}

fn second(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        // What the plugin asks when it starts is not the operation's.
        settled(world)?;
        world.cloud.clear_log()?;
        run(world, "one", "my_share")?;
        let (polls, calls): (Vec<_>, Vec<_>) = settled(world)?
            .into_iter()
            .partition(|call| call.method == "GET" && call.path.contains("/share-access-rules/"));
        let ends = |end: &str| calls.iter().filter(|call| call.path.ends_with(end)).count();
        ensure!(calls.len() == 2 && ends("/action") == 1 && ends("/export_locations") == 1, "{calls:?}");
        ensure!(!polls.is_empty(), "the rule was active at once, so nothing was waited for");
        world.cloud.clear_log()?;
        world.docker(&["exec", "one", "sh", "-c", "echo hello > /data/file"])?;
        run(world, "two", "my_share")?;
        ensure!(world.docker(&["exec", "two", "cat", "/data/file"])? == "hello");
        world.docker(&["exec", "two", "sh", "-c", "echo again > /data/file"])?;
        ensure!(world.docker(&["exec", "one", "cat", "/data/file"])? == "again");
        world.remove("two")?;
        world.docker(&["exec", "one", "sh", "-c", "echo alone >> /data/file"])?;
        world.docker_fails(&["volume", "rm", "my_share"])?;
        let calls = settled(world)?;
        ensure!(calls.is_empty(), "{calls:?}");
        world.remove("one")?;
        let calls = settled(world)?;
        ensure!(calls.len() == 1, "the last unmount: {calls:?}");
        remove(world, "my_share")
    })
}

fn let_in(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "my_share", &["size=1"])?;
        let id = id_of(world, "my_share")?;
        ensure!(rules(world, &id)?.is_empty(), "let in before it is mounted");
        ensure!(!storage_lets_in(world, &id)?, "the storage lets in whoever comes");
        run(world, "one", "my_share")?;
        let found = rules(world, &id)?;
        ensure!(found.len() == 1 && text(&found[0], "access_to") == SHARE_HOST, "{found:?}");
        ensure!(storage_lets_in(world, &id)?, "the storage refuses who has a rule");
        world.remove("one")?;
        wait_for_no_rule(world, &id)?;
        ensure!(!storage_lets_in(world, &id)?, "the storage still lets this host in");
        remove(world, "my_share")
    })
}

fn rule_before(world: &mut World) -> Result<()> {
    with(world, |world| {
        let id = make_share(world, "theirs")?;
        let rule = allow(world, &id, "192.168.77.0/24")?;
        wait_for_rule(world, &rule, "active")?;
        let before = world.inventory()?;
        create(world, "mine", &[&format!("volume_id={id}")])?;
        run(world, "one", "mine")?;
        ensure!(users(world, &id)? == ["192.168.77.0/24"], "a rule more than needed");
        world.remove("one")?;
        remove(world, "mine")?;
        world.expect_clean(&before)?;
        delete(world, "shares", &id)
    })
}

fn adopted(world: &mut World) -> Result<()> {
    with(world, |world| {
        let id = make_share(world, "theirs")?;
        let before = world.inventory()?;
        for written in ["first", "second"] {
            create(world, "mine", &[&format!("volume_id={id}")])?;
            sh(world, "mine", &format!("echo {written} > /data/{written}"))?;
            remove(world, "mine")?;
            world.expect_clean(&before)?;
        }
        create(world, "mine", &[&format!("volume_id={id}")])?;
        ensure!(sh(world, "mine", "cat /data/first /data/second")? == "first\nsecond");
        remove(world, "mine")?;
        world.expect_clean(&before)?;
        delete(world, "shares", &id)
    })
}

fn side_by_side(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "left", &["size=1"])?;
        create(world, "right", &["size=1"])?;
        create_volume(world, "my_vol", &["size=1"])?;
        let mounts = ["-v", "left:/left", "-v", "right:/right", "-v", "my_vol:/vol"];
        world.run("one", &[&["--network", "none"], &mounts[..]].concat())?;
        let script = "echo l > /left/file; echo r > /right/file; echo v > /vol/file; sync";
        world.docker(&["exec", "one", "sh", "-c", script])?;
        let shown = world.docker(&["exec", "one", "cat", "/proc/mounts"])?;
        for mount in [" /left fuse.glusterfs ", " /right fuse.glusterfs ", " /vol ext4 "] {
            ensure!(shown.contains(mount), "{shown}");
        }
        let listed = world.docker(&["volume", "ls", "--quiet", "--filter", "driver=fuxi"])?;
        ensure!(listed.lines().collect::<Vec<_>>() == ["left", "my_vol", "right"], "{listed}");
        world.remove("one")?;
        ensure!(sh(world, "left", "cat /data/file")? == "l");
        remove(world, "left")?;
        ensure!(sh(world, "right", "cat /data/file")? == "r");
        ensure!(sh(world, "my_vol", "cat /data/file")? == "v");
        world.docker(&["volume", "rm", "right", "my_vol"]).map(drop)
    })
}

fn extended(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "grows", &["size=1"])?;
        run(world, "user", "grows")?;
        let room = |world: &World| -> Result<u64> {
            let df = world.docker(&["exec", "user", "df", "-k", "/data"])?;
            let kib = df.lines().last().and_then(|line| line.split_whitespace().rev().nth(4)?.parse().ok());
            kib.with_context(|| format!("df: {df}"))
        };
        let before = room(world)?;
        let config = world.dir().join("fuxi.conf").to_string_lossy().into_owned();
        let extend = ["volume", "--fuxi-config-file", &config, "extend", "grows", "3"];
        let output = world.kuryr(&extend)?;
        ensure!(output.status.success(), "{output:?}");
        ensure!(share_named(world, "grows")?["size"] == 3);
        wait_until("the container has the room", || {
            room(world).is_ok_and(|now| now.saturating_sub(before) > 1_900_000)
        })?;
        world.docker(&["exec", "user", "touch", "/data/file"])?;
        world.remove("user")?;
        remove(world, "grows")
    })
}

fn read_only(world: &mut World) -> Result<()> {
    with(world, |world| {
        let id = make_share(world, "theirs")?;
        create(world, "writer", &[&format!("volume_id={id}")])?;
        sh(world, "writer", "echo kept > /data/file")?;
        remove(world, "writer")?;
        create(world, "reader", &[&format!("volume_id={id}"), "ro=true"])?;
        run(world, "one", "reader")?;
        let found = rules(world, &id)?;
        ensure!(found.len() == 1 && text(&found[0], "access_level") == "ro", "{found:?}");
        ensure!(world.docker(&["exec", "one", "cat", "/data/file"])? == "kept");
        let error = world.docker_fails(&["exec", "one", "touch", "/data/more"])?;
        ensure!(error.contains("Read-only"), "{error}");
        world.remove("one")?;
        remove(world, "reader")?;
        wait_for_no_rule(world, &id)?;
        delete(world, "shares", &id)
    })
}

fn snapshot(world: &mut World) -> Result<()> {
    with(world, |world| {
        create(world, "book", &["size=1", "share_type=snapshots"])?;
        sh(world, "book", "mkdir /data/shelf; echo then > /data/shelf/page")?;
        let body = json!({"snapshot": {"share_id": id_of(world, "book")?, "name": "chapter-one"}});
        let made = world.cloud.api("POST", "/share/v2/snapshots", Some(body))?;
        let id = text(&made["snapshot"], "id").to_owned();
        let one = format!("/share/v2/snapshots/{id}");
        wait_until("the snapshot is there", || {
            let shown = world.cloud.api("GET", &one, None);
            shown.is_ok_and(|answer| text(&answer["snapshot"], "status") == "available")
        })?;
        sh(world, "book", "echo now > /data/shelf/page")?;
        create(world, "old_book", &["size=1", "share_type=snapshots", &format!("snapshot_id={id}")])?;
        ensure!(sh(world, "old_book", "cat /data/shelf/page")? == "then");
        ensure!(sh(world, "book", "cat /data/shelf/page")? == "now");
        remove(world, "old_book")?;
        delete(world, "snapshots", &id)?;
        remove(world, "book")
    })
}
