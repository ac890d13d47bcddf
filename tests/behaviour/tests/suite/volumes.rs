//! Volumes on Cinder.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::Case;
use crate::networks::text;

pub(crate) const CASES: &[Case] = &[
    ("a_volume_keeps_a_file_from_one_container_to_the_next", keeps),
    ("each_filesystem_asked_for_is_the_one_made", filesystems),
    ("the_size_asked_for_is_the_size_given", size),
    ("h09_nothing_is_attached_before_the_first_mount_and_after_the_last_unmount", attachment),
    ("two_containers_share_a_volume_and_the_second_costs_no_call", second),
    ("copying_out_of_a_running_container_does_not_take_its_volume_away", copy),
    ("h02_a_volume_reused_by_id_keeps_its_data_and_is_given_back_as_found", adopted),
    ("h01_a_reused_volume_without_filesystem_is_refused_and_not_formatted", adopted_blank),
    ("h07_a_volume_with_a_foreign_signature_is_never_formatted", foreign_signature),
    ("a_cinder_volume_that_is_not_ours_does_not_take_over_a_local_name", hijack),
    ("h60_inspect_tells_the_cinder_id_and_state", inspect),
    ("a_volume_in_use_cannot_be_removed", in_use),
    ("creating_a_volume_that_exists_returns_it", exists),
    ("a_volume_made_by_another_host_is_found", other_host),
    ("other_options_for_a_volume_of_another_host_are_refused", other_hosts_options),
    ("h56_a_volume_whose_unmount_never_came_is_detached_and_can_be_removed", lost_unmount),
    ("h10_a_volume_attached_elsewhere_is_refused_by_its_attachment_and_left_alone", attached_elsewhere),
    ("h12_a_mount_taken_away_behind_the_plugin_comes_back_with_its_data", taken_away),
    ("h39_nothing_can_be_written_where_no_volume_is_mounted", unmounted_directory),
    ("h43_an_encrypting_volume_type_is_refused_and_leaves_nothing", encrypted),
    ("a_copy_of_a_volume_has_its_data_and_is_never_formatted", copied),
    ("a_volume_of_openstacks_fuxi_keeps_its_data_and_is_not_deleted", predecessor),
];

/// A container that stays, `one`, with the volume `my_vol`.
pub(crate) const RUN: [&str; 13] = [
    "run",
    "--detach",
    "--name",
    "one",
    "--stop-timeout",
    "0",
    "--network",
    "none",
    "-v",
    "my_vol:/data",
    "busybox",
    "sleep",
    "1000",
];

pub(crate) fn create(world: &World, name: &str, options: &[&str]) -> Result<String> {
    let mut args = vec!["volume", "create", "--driver", "fuxi"];
    for option in options {
        args.extend(["--opt", option]);
    }
    args.push(name);
    world.docker(&args)
}

pub(crate) fn sh(world: &World, volume: &str, script: &str) -> Result<String> {
    let mount = format!("{volume}:/data");
    world.docker(&["run", "--rm", "--network", "none", "-v", &mount, "busybox", "sh", "-c", script])
}

pub(crate) fn volume_named(world: &World, name: &str) -> Result<Value> {
    let token = format!("/volume/v3/{}/volumes/detail?name={name}", world.cloud.project("demo")?);
    let answer = world.cloud.api("GET", &token, None)?;
    answer["volumes"].get(0).cloned().with_context(|| format!("no volume {name} in Cinder"))
}

pub(crate) fn wait_for_status(world: &World, name: &str, status: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let volume = volume_named(world, name)?;
        if text(&volume, "status") == status {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("{name} did not become {status}: {volume}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn keeps(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1", "fstype=ext4"])?;
    sh(world, "my_vol", "echo kept > /data/file")?;
    ensure!(sh(world, "my_vol", "cat /data/file")? == "kept");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn filesystems(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    for fs in ["ext4", "xfs", "btrfs"] {
        let name = format!("vol_{fs}");
        create(world, &name, &["size=1", &format!("fstype={fs}")])?;
        let mounts = sh(world, &name, "grep ' /data ' /proc/mounts")?;
        ensure!(mounts.contains(&format!(" {fs} ")), "{fs}: {mounts}");
        world.docker(&["volume", "rm", &name])?;
    }
    Ok(())
}

fn size(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "big", &["size=3"])?;
    ensure!(volume_named(world, "big")?["size"] == 3);
    let df = sh(world, "big", "df -k /data | grep /data")?;
    let kib: u64 = df.split_whitespace().nth(1).and_then(|k| k.parse().ok()).unwrap_or_default();
    ensure!((2_700_000..3_300_000).contains(&kib), "{df}");
    world.docker(&["volume", "rm", "big"]).map(drop)
}

fn attachment(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    ensure!(text(&volume_named(world, "my_vol")?, "status") == "available");
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    wait_for_status(world, "my_vol", "in-use")?;
    world.remove("one")?;
    wait_for_status(world, "my_vol", "available")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn second(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker(&["exec", "one", "sh", "-c", "echo hello > /data/file"])?;
    world.cloud.clear_log()?;
    world.run("two", &["--network", "none", "-v", "my_vol:/data"])?;
    let calls = world.cloud.calls()?;
    ensure!(calls.is_empty(), "{calls:?}");
    ensure!(world.docker(&["exec", "two", "cat", "/data/file"])? == "hello");
    world.remove("one")?;
    world.docker(&["exec", "two", "sh", "-c", "echo again > /data/file"])?;
    world.remove("two")?;
    wait_for_status(world, "my_vol", "available")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn copy(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker(&["exec", "one", "sh", "-c", "echo hello > /data/file"])?;
    let target = world.dir().join("copied");
    world.docker(&["cp", "one:/data/file", &target.to_string_lossy()])?;
    std::thread::sleep(Duration::from_millis(500));
    ensure!(text(&volume_named(world, "my_vol")?, "status") == "in-use");
    world.docker(&["exec", "one", "sh", "-c", "echo more > /data/other && sync && cat /data/other"])?;
    world.remove("one")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

/// A volume of the tenant's own, made without us.
pub(crate) fn make_volume(world: &World, name: &str) -> Result<String> {
    let path = format!("/volume/v3/{}/volumes", world.cloud.project("demo")?);
    let body = json!({"volume": {"name": name, "size": 1, "metadata": {"theirs": "yes"}}});
    let volume = world.cloud.api("POST", &path, Some(body))?;
    wait_for_status(world, name, "available")?;
    Ok(text(&volume["volume"], "id").to_owned())
}

pub(crate) fn delete_volume(world: &World, id: &str) -> Result<()> {
    let path = format!("/volume/v3/{}/volumes/{id}", world.cloud.project("demo")?);
    world.cloud.api("DELETE", &path, None).map(drop)
}

/// The file that holds a volume's blocks.
pub(crate) fn backing_file(world: &World, id: &str) -> Result<PathBuf> {
    let mut dirs = vec![world.dir().join("cloud")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)?.flatten() {
            if entry.path().is_dir() {
                dirs.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains(id) {
                return Ok(entry.path());
            }
        }
    }
    bail!("no file holds the blocks of {id}")
}

fn adopted(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let id = make_volume(world, "theirs")?;
    let file = backing_file(world, &id)?;
    let made = world.host().command("mkfs.ext4").arg("-q").arg(&file).output()?;
    ensure!(made.status.success(), "{made:?}");
    let before = world.inventory()?;
    create(world, "mine", &[&format!("volume_id={id}")])?;
    sh(world, "mine", "echo kept > /data/file")?;
    ensure!(sh(world, "mine", "cat /data/file")? == "kept");
    world.docker(&["volume", "rm", "mine"])?;
    world.expect_clean(&before)?;
    create(world, "mine", &[&format!("volume_id={id}")])?;
    ensure!(sh(world, "mine", "cat /data/file")? == "kept");
    world.docker(&["volume", "rm", "mine"])?;
    world.expect_clean(&before)?;
    delete_volume(world, &id)
}

fn adopted_blank(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let id = make_volume(world, "theirs")?;
    let file = backing_file(world, &id)?;
    create(world, "mine", &[&format!("volume_id={id}")])?;
    let error =
        world.docker_fails(&["run", "--rm", "--network", "none", "-v", "mine:/data", "busybox", "true"])?;
    ensure!(error.contains("filesystem"), "{error}");
    ensure!(std::fs::read(&file)?.iter().take(1 << 20).all(|b| *b == 0), "it was written to");
    world.docker(&["volume", "rm", "mine"])?;
    delete_volume(world, &id)
}

fn foreign_signature(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    let id = text(&volume_named(world, "my_vol")?, "id").to_owned();
    let file = backing_file(world, &id)?;
    let header = b"LUKS\xba\xbe\x00\x01 somebody's secrets";
    let blocks = std::os::unix::fs::FileExt::write_all_at;
    let disk = std::fs::OpenOptions::new().write(true).open(&file)?;
    blocks(&disk, header, 0)?;
    let error =
        world.docker_fails(&["run", "--rm", "--network", "none", "-v", "my_vol:/data", "busybox", "true"])?;
    ensure!(error.contains("my_vol") || error.contains(&id), "{error}");
    let mut start = vec![0; header.len()];
    std::os::unix::fs::FileExt::read_exact_at(&std::fs::File::open(&file)?, &mut start, 0)?;
    ensure!(start == header, "the foreign header was overwritten");
    wait_for_status(world, "my_vol", "available")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn hijack(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let id = make_volume(world, "data")?;
    world.docker(&["run", "--rm", "--network", "none", "-v", "data:/data", "busybox", "true"])?;
    let driver = world.docker(&["volume", "inspect", "--format", "{{.Driver}}", "data"])?;
    ensure!(driver == "local", "{driver} took the name");
    world.docker(&["volume", "rm", "data"])?;
    delete_volume(world, &id)
}

fn inspect(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    let id = text(&volume_named(world, "my_vol")?, "id").to_owned();
    let shown = world.docker(&["volume", "inspect", "my_vol"])?;
    ensure!(shown.contains(&id), "{shown}");
    ensure!(world.docker(&["volume", "ls", "--quiet"])?.lines().any(|l| l == "my_vol"));
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn in_use(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker_fails(&["volume", "rm", "my_vol"])?;
    world.docker(&["exec", "one", "touch", "/data/still-here"])?;
    world.remove("one")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn exists(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    create(world, "my_vol", &["size=1"])?;
    let path = format!("/volume/v3/{}/volumes/detail?name=my_vol", world.cloud.project("demo")?);
    let volumes = world.cloud.api("GET", &path, None)?;
    ensure!(volumes["volumes"].as_array().is_some_and(|v| v.len() == 1), "{volumes}");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn other_host(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    sh(world, "my_vol", "echo kept > /data/file")?;
    wait_for_status(world, "my_vol", "available")?;
    // A host that has never heard of the volume: no journal.
    world.kill_plugin();
    std::fs::remove_dir_all(world.state_dir())?;
    world.start_plugin()?;
    ensure!(sh(world, "my_vol", "cat /data/file")? == "kept");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn other_hosts_options(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1", "fstype=xfs"])?;
    world.kill_plugin();
    std::fs::remove_dir_all(world.state_dir())?;
    world.start_plugin()?;
    // The engine would answer for itself, so the plugin is asked as another engine would.
    let ask = |options: Value| -> Result<Value> {
        let body = json!({"Name": "my_vol", "Opts": options}).to_string();
        let mut stream = UnixStream::connect(world.plugin_socket("fuxi"))?;
        write!(
            stream,
            "POST /VolumeDriver.Create HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer: `{answer}`"))?;
        serde_json::from_str(body).with_context(|| format!("not JSON: `{body}`"))
    };
    let same = ask(json!({"size": "1", "fstype": "xfs"}))?;
    ensure!(text(&same, "Err").is_empty(), "{same}");
    for (key, value) in [("size", "2"), ("fstype", "ext4")] {
        let answer = ask(json!({key: value}))?;
        ensure!(text(&answer, "Err").contains(&format!("another {key}")), "{answer}");
    }
    ensure!(volume_named(world, "my_vol")?["size"] == 1);
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn lost_unmount(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file && sync"])?;
    world.docker.kill();
    world.relaunch_docker()?;
    world.remove("one")?;
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match world.docker(&["volume", "rm", "my_vol"]) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

fn attached_elsewhere(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    let id = text(&volume_named(world, "my_vol")?, "id").to_owned();
    let attachments = format!("/volume/v3/{}/attachments", world.cloud.project("demo")?);
    let body =
        json!({"attachment": {"volume_uuid": id, "mode": "rw", "connector": {"host": "the-other-host"}}});
    let attachment = world.cloud.api("POST", &attachments, Some(body))?;
    let attachment = text(&attachment["attachment"], "id").to_owned();
    let one = format!("{attachments}/{attachment}");
    world.cloud.api("POST", &format!("{one}/action"), Some(json!({"os-complete": null})))?;
    let before = volume_named(world, "my_vol")?;
    let error =
        world.docker_fails(&["run", "--rm", "--network", "none", "-v", "my_vol:/data", "busybox", "true"])?;
    ensure!(error.contains(&id) && error.contains(&attachment) && error.contains("in-use"), "{error}");
    let removal = world.docker_fails(&["volume", "rm", "my_vol"])?;
    ensure!(removal.contains(&attachment), "{removal}");
    ensure!(volume_named(world, "my_vol")? == before, "it was changed");
    world.cloud.api("DELETE", &one, None)?;
    wait_for_status(world, "my_vol", "available")?;
    sh(world, "my_vol", "touch /data/file")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

pub(crate) fn inside_host(world: &World, program: &str, args: &[&str]) -> Result<String> {
    let output = world.host().command(program).args(args).output()?;
    ensure!(output.status.success(), "{program} {args:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// As after a power failure that kept the boot id: neither mount nor loop device are there, and nobody said so.
fn taken_away(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file && sync"])?;
    world.kill_plugin();
    world.docker.kill();
    world.relaunch_docker()?;
    world.remove("one")?;
    let path = world.volume_dir().join("my_vol").to_string_lossy().into_owned();
    let device = inside_host(world, "findmnt", &["--noheadings", "--output", "SOURCE", &path])?;
    inside_host(world, "umount", &[&path])?;
    inside_host(world, "losetup", &["--detach", &device])?;
    world.start_plugin()?;
    ensure!(sh(world, "my_vol", "cat /data/file")? == "kept");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn unmounted_directory(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    let path = world.volume_dir().join("my_vol").to_string_lossy().into_owned();
    inside_host(world, "umount", &[&path])?;
    let write = world.host().command("touch").arg(format!("{path}/stray")).output()?;
    ensure!(!write.status.success(), "the host's own disk took a file meant for the volume");
    // The container has the volume itself, not the directory.
    world.docker(&["exec", "one", "touch", "/data/file"])?;
    world.remove("one")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn encrypted(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let before = world.inventory()?;
    let error = world.docker_fails(&[
        "volume",
        "create",
        "--driver",
        "fuxi",
        "--opt",
        "volume_type=luks",
        "my_vol",
    ])?;
    ensure!(error.contains("my_vol") && error.contains("encrypts"), "{error}");
    world.expect_clean(&before)
}

fn copied(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    for fs in ["ext4", "xfs"] {
        create(world, "source", &["size=1", &format!("fstype={fs}")])?;
        sh(world, "source", "echo kept > /data/file")?;
        wait_for_status(world, "source", "available")?;
        let id = text(&volume_named(world, "source")?, "id").to_owned();
        create(world, "copy", &[&format!("source_volid={id}")])?;
        ensure!(sh(world, "copy", "cat /data/file && echo more > /data/more")? == "kept");
        // Both at once, although they have one filesystem UUID.
        world.run("one", &["--network", "none", "-v", "source:/source", "-v", "copy:/copy"])?;
        ensure!(world.docker(&["exec", "one", "cat", "/copy/file", "/copy/more"])? == "kept\nmore");
        world.docker(&["exec", "one", "test", "!", "-e", "/source/more"])?;
        world.remove("one")?;
        world.docker(&["volume", "rm", "copy", "source"])?;
    }
    Ok(())
}

/// OpenStack's Fuxi marked with its label and the filesystem, and gave the Cinder volume Docker's name.
fn predecessor(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let id = make_volume(world, "old_vol")?;
    let metadata = format!("/volume/v3/{}/volumes/{id}/metadata", world.cloud.project("demo")?);
    let marks = json!({"metadata": {"volume_from": "fuxi", "fstype": "ext4"}});
    world.cloud.api("POST", &metadata, Some(marks))?;
    let file = backing_file(world, &id)?;
    inside_host(world, "mkfs.ext4", &["-q", &file.to_string_lossy()])?;
    let before = volume_named(world, "old_vol")?;
    ensure!(world.docker(&["volume", "ls", "--quiet"])?.lines().any(|l| l == "old_vol"));
    sh(world, "old_vol", "echo kept > /data/file")?;
    ensure!(sh(world, "old_vol", "cat /data/file")? == "kept");
    wait_for_status(world, "old_vol", "available")?;
    let error = world.docker_fails(&["volume", "rm", "old_vol"])?;
    ensure!(error.contains("openstack volume delete"), "{error}");
    let after = volume_named(world, "old_vol")?;
    ensure!(after["metadata"] == before["metadata"], "{before} -> {after}");
    delete_volume(world, &id)
}
