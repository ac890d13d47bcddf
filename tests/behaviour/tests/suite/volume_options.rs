//! What `docker volume create -o` can ask for, as far as a container sees it.

use anyhow::{Result, ensure};
use testkit::{World, wait_until};

use crate::Case;
use crate::networks::text;
use crate::volumes::{backing_file, create, delete_volume, make_volume, sh, volume_named, wait_for_status};

pub(crate) const CASES: &[Case] = &[
    ("an_unknown_volume_option_names_the_nearest_and_makes_nothing", unknown),
    ("a_volumes_root_has_the_owner_and_mode_asked_for_and_keeps_them", owner),
    ("containers_see_the_directory_asked_for", subdirectory),
    ("mount_and_mkfs_options_take_effect_and_wrong_ones_are_refused", words),
    ("a_copy_of_a_docker_volume_has_its_data_and_leaves_no_snapshot", copy),
    ("a_read_only_volume_is_read_and_not_written", read_only),
    ("a_volume_several_hosts_may_attach_gets_a_type_that_allows_it", multiattach),
];

fn refused(world: &World, options: &[&str]) -> Result<String> {
    let mut args = vec!["volume", "create", "--driver", "fuxi"];
    for option in options {
        args.extend(["--opt", option]);
    }
    args.push("my_vol");
    world.docker_fails(&args)
}

fn unknown(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let before = world.inventory()?;
    for (option, hint) in [
        ("sizes=1", "did you mean `size`?"),
        ("fstype=raw", "never a bare device"),
        ("iops=100", "use volume_type="),
        ("ro=true", "give volume_id"),
        ("mkfsopts=-F", "`-F` is not taken"),
    ] {
        let error = refused(world, &[option])?;
        ensure!(error.contains(hint), "{option}: {error}");
    }
    world.expect_clean(&before)
}

fn owner(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    for fs in ["xfs", "btrfs"] {
        create(world, "my_vol", &["size=1", &format!("fstype={fs}"), "uid=1234", "gid=99", "mode=0750"])?;
        let script = "stat -c '%u %g %a' /data && chown 7:7 /data && chmod 711 /data";
        ensure!(sh(world, "my_vol", script)? == "1234 99 750");
        let kept = sh(world, "my_vol", "stat -c '%u %g %a' /data")?;
        ensure!(kept == "7 7 711", "what its containers changed stays: {kept}");
        world.docker(&["volume", "rm", "my_vol"])?;
    }
    Ok(())
}

fn subdirectory(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1", "subdir=data", "uid=1234"])?;
    let seen = sh(world, "my_vol", "stat -c %u /data && ls -A /data && echo kept > /data/file")?;
    ensure!(seen == "1234", "no lost+found in it: {seen}");
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    ensure!(world.docker(&["exec", "one", "cat", "/data/file"])? == "kept");
    let place = world.docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", "my_vol"])?;
    ensure!(place.ends_with("/my_vol/data"), "{place}");
    world.remove("one")?;
    wait_for_status(world, "my_vol", "available")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn words(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1", "mountopts=noatime,commit=30", "mkfsopts=-m 0 -L books"])?;
    let line = sh(world, "my_vol", "grep ' /data ' /proc/mounts")?;
    ensure!(line.contains("noatime") && line.contains("commit=30"), "{line}");
    world.docker(&["volume", "rm", "my_vol"])?;
    let error = refused(world, &["fstype=xfs", "mountopts=commit=30"])?;
    ensure!(error.contains("not taken for xfs"), "{error}");
    Ok(())
}

fn copy(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "source", &["size=1"])?;
    sh(world, "source", "echo kept > /data/file")?;
    wait_for_status(world, "source", "available")?;
    create(world, "my_vol", &["snapshot_of=source"])?;
    ensure!(sh(world, "my_vol", "cat /data/file && echo more > /data/more")? == "kept");
    ensure!(sh(world, "source", "ls /data | grep -c more || true")? == "0");
    let snapshots = format!("/volume/v3/{}/snapshots", world.cloud.project("demo")?);
    wait_until("the snapshot of the moment is gone", || {
        let left = world.cloud.api("GET", &snapshots, None);
        left.is_ok_and(|left| left["snapshots"].as_array().is_some_and(Vec::is_empty))
    })?;
    world.docker(&["volume", "rm", "my_vol", "source"]).map(drop)
}

fn read_only(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let id = make_volume(world, "theirs")?;
    create(world, "writer", &[&format!("volume_id={id}")])?;
    let file = backing_file(world, &id)?;
    let made = world.host().command("mkfs.ext4").arg("-q").arg(&file).output()?;
    ensure!(made.status.success(), "{made:?}");
    sh(world, "writer", "echo kept > /data/file")?;
    wait_for_status(world, "theirs", "available")?;
    world.docker(&["volume", "rm", "writer"])?;
    create(world, "my_vol", &[&format!("volume_id={id}"), "ro"])?;
    let seen = sh(
        world,
        "my_vol",
        "cat /data/file; touch /data/more 2>&1 || true; grep -o ' ro,' /proc/mounts | head -1",
    )?;
    ensure!(seen.starts_with("kept") && seen.contains("Read-only"), "{seen}");
    wait_for_status(world, "theirs", "available")?;
    world.docker(&["volume", "rm", "my_vol"])?;
    delete_volume(world, &id)
}

fn multiattach(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1", "multiattach=true"])?;
    let volume = volume_named(world, "my_vol")?;
    ensure!(volume["multiattach"] == true && text(&volume, "volume_type") == "multi", "{volume}");
    sh(world, "my_vol", "echo kept > /data/file")?;
    world.docker(&["volume", "rm", "my_vol"])?;
    let error = refused(world, &["multiattach=true", "volume_type=default"])?;
    ensure!(error.contains("these do: multi"), "{error}");
    Ok(())
}
