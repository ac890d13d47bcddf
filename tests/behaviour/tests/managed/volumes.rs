//! Volumes of the managed plugin `fuxi`.

use anyhow::{Result, ensure};
use testkit::World;

use crate::Case;
use crate::plugin::{crash, install, uninstall};

pub(crate) const CASES: &[Case] = &[
    ("each_filesystem_is_made_with_the_programs_of_the_managed_plugin", filesystems),
    ("a_volume_outlives_a_managed_plugin_that_crashes_and_one_that_is_replaced", outlives),
];

pub(crate) fn create(world: &World, driver: &str, name: &str, options: &[&str]) -> Result<()> {
    let mut args = vec!["volume", "create", "--driver", driver];
    options.iter().for_each(|option| args.extend(["--opt", option]));
    args.push(name);
    world.docker(&args).map(drop)
}

/// A command in a container with that volume.
pub(crate) fn sh(world: &World, volume: &str, command: &str) -> Result<String> {
    let mount = format!("{volume}:/data");
    world.docker(&["run", "--rm", "--network", "none", "-v", &mount, "busybox", "sh", "-c", command])
}

fn filesystems(world: &mut World) -> Result<()> {
    install(world, "fuxi", &["OS_CINDER__DETACH_DELAY=0"])?;
    for (driver, fs) in [("fuxi:latest", "ext4"), ("fuxi", "xfs"), ("fuxi:latest", "btrfs")] {
        create(world, driver, "my_vol", &["size=1", &format!("fstype={fs}")])?;
        sh(world, "my_vol", "echo kept > /data/file && sync")?;
        ensure!(sh(world, "my_vol", "cat /data/file")? == "kept");
        let mounts = sh(world, "my_vol", "grep ' /data ' /proc/mounts")?;
        ensure!(mounts.contains(fs), "{mounts}");
        world.docker(&["volume", "rm", "my_vol"])?;
    }
    uninstall(world, "fuxi")
}

fn outlives(world: &mut World) -> Result<()> {
    install(world, "fuxi", &["OS_CINDER__DETACH_DELAY=0"])?;
    create(world, "fuxi:latest", "my_vol", &["size=1"])?;
    world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
    world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file && sync"])?;
    crash(world)?;
    ensure!(world.docker(&["exec", "one", "cat", "/data/file"])? == "kept");
    // Beside one that has it already.
    ensure!(sh(world, "my_vol", "cat /data/file && echo more >> /data/file")? == "kept");
    // Docker unmounts all of a plugin's mounts; the container keeps its own.
    uninstall(world, "fuxi")?;
    ensure!(world.docker(&["exec", "one", "cat", "/data/file"])? == "kept\nmore");
    install(world, "fuxi", &["OS_CINDER__DETACH_DELAY=0"])?;
    ensure!(sh(world, "my_vol", "cat /data/file")? == "kept\nmore");
    world.remove("one")?;
    ensure!(sh(world, "my_vol", "cat /data/file")? == "kept\nmore");
    world.docker(&["volume", "rm", "my_vol"])?;
    uninstall(world, "fuxi")
}
