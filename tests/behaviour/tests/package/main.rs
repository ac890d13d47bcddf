//! The Debian package on a host with a real engine: what it installs, how its service lives as systemd would have it
//! live, and that containers go on whatever happens to it. `cargo xtask test` makes the package and the host's root.

#![allow(clippy::print_stderr, reason = "a test tells what it does not do")]

mod manager;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use private_host::Root;
use rustix::process::Signal;
use testkit::{CloudKind, World, WorldOptions, wait_until};

use crate::manager::Manager;

fn main() -> ExitCode {
    private_host::intercept();
    let trial = Trial::test("containers_go_on_while_the_packaged_service_is_restarted_and_upgraded", || {
        run().map_err(|error| Failed::from(format!("{error:#}")))
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn variable(name: &str) -> Result<PathBuf> {
    let value =
        std::env::var_os(name).with_context(|| format!("{name} is not set; run `cargo xtask test`"))?;
    Ok(value.into())
}

fn run() -> Result<()> {
    let mut world = World::start(&WorldOptions {
        kuryr: variable("KURYR_TEST_BINARY")?,
        root: Root::Tree(variable("KURYR_TEST_ROOT")?),
        cloud: CloudKind::DevCloud,
    })?;
    let before = world.inventory()?;
    let deb = world.dir().join("kuryr.deb");
    std::fs::copy(variable("KURYR_TEST_DEB")?, &deb)?;
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    in_host(&world, "dpkg", &["--install", &deb.to_string_lossy()])?;
    installed(&world)?;
    let outcome = life(&mut world, &deb);
    outcome.with_context(|| format!("--- plugin ---\n{}", world.plugin_log()))?;
    world.start_plugin()?;
    world.docker(&["rm", "--force", "one", "two", "three"])?;
    world.docker(&["network", "rm", "foo"])?;
    world.docker(&["volume", "rm", "my_vol"])?;
    world.expect_clean(&before)
}

/// What the package put where, with which mode.
fn installed(world: &World) -> Result<()> {
    for (path, expected) in [
        ("/usr/bin/kuryr", "755 root:root"),
        ("/usr/lib/systemd/system/kuryr.service", "644 root:root"),
        ("/usr/lib/systemd/system/kuryr.socket", "644 root:root"),
        ("/usr/lib/systemd/system/fuxi.socket", "644 root:root"),
        ("/usr/lib/tmpfiles.d/kuryr.conf", "644 root:root"),
        ("/etc/default/kuryr", "644 root:root"),
        // Passwords are written into them.
        ("/etc/kuryr/kuryr.conf", "640 root:root"),
        ("/etc/fuxi/fuxi.conf", "640 root:root"),
        ("/usr/share/bash-completion/completions/kuryr", "644 root:root"),
        ("/usr/share/zsh/vendor-completions/_kuryr", "644 root:root"),
        ("/usr/share/fish/vendor_completions.d/kuryr.fish", "644 root:root"),
    ] {
        let found = in_host(world, "stat", &["--format", "%a %U:%G", path])?;
        ensure!(found.trim() == expected, "{path} is {found}, not {expected}");
    }
    let altered = in_host(world, "dpkg", &["--verify", "kuryr"])?;
    // A root without documents has no manual pages: that is the administrator's choice, not ours.
    let altered: Vec<_> = altered.lines().filter(|line| !line.contains("/usr/share/")).collect();
    ensure!(altered.is_empty(), "{altered:?}");
    let said = in_host(world, "kuryr", &["--version"])?;
    let listed = in_host(world, "dpkg-query", &["--show", "--showformat", "${Version}", "kuryr"])?;
    ensure!(said.trim() == format!("kuryr {listed}"), "{said} of package {listed}");
    Ok(())
}

fn life(world: &mut World, deb: &std::path::Path) -> Result<()> {
    for plugin in ["kuryr", "fuxi"] {
        let from = world.dir().join(format!("{plugin}.conf"));
        in_host(world, "cp", &[&from.to_string_lossy(), &format!("/etc/{plugin}/{plugin}.conf")])?;
    }
    let manager = Manager::open(world)?;
    let mut service = manager.start(world)?;
    manager.until("READY=1")?;
    world.docker(&[
        "network",
        "create",
        "-d",
        "kuryr",
        "--ipam-driver",
        "kuryr",
        "--subnet",
        "10.21.0.0/24",
        "foo",
    ])?;
    world.docker(&["volume", "create", "-d", "fuxi", "my_vol"])?;
    world.run("one", &["--network", "foo", "--volume", "my_vol:/data"])?;
    world.run("two", &["--network", "foo"])?;
    let two = world.address("two", "foo")?.to_string();
    goes_on(world, &two, "started")?;

    manager.until("WATCHDOG=1")?;
    service.signal(world, Signal::HUP)?;
    manager.until("RELOADING=1")?;
    manager.until("READY=1")?;

    // A restart: what Docker asks meanwhile waits in the sockets.
    service.stop(world)?;
    manager.until("STOPPING=1")?;
    goes_on(world, &two, "stopped")?;
    std::thread::scope(|scope| -> Result<()> {
        let asked = scope.spawn(|| world.run("three", &["--network", "foo", "--volume", "my_vol:/data"]));
        manager.until_somebody_waits()?;
        // And an upgrade, with the administrator's configuration kept.
        let newer = newer(world, deb)?;
        in_host(world, "dpkg", &["--install", &newer])?;
        let version = in_host(world, "dpkg-query", &["--show", "--showformat", "${Version}", "kuryr"])?;
        ensure!(version.ends_with("+next"), "{version}");
        ensure!(in_host(world, "cat", &["/etc/kuryr/kuryr.conf"])?.contains("[neutron]\nauth_type"));
        goes_on(world, &two, "upgraded")?;
        ensure!(!asked.is_finished(), "a container started without the plugin");
        service = manager.start(world)?;
        manager.until("READY=1")?;
        let Ok(asked) = asked.join() else { bail!("docker run panicked") };
        asked.context("what was asked while the service was away").map(drop)
    })?;
    world.ping("three", &two)?;
    world.docker(&["exec", "three", "grep", "upgraded", "/data/log"])?;

    // A kill, as the watchdog does it.
    service.signal(world, Signal::KILL)?;
    service.wait()?;
    goes_on(world, &two, "killed")?;
    service = manager.start(world)?;
    manager.until("READY=1")?;
    world.docker(&["stop", "--time", "1", "three"])?;

    // Its removal does not stop a container either, nor forget what is ours.
    service.stop(world)?;
    drop(manager);
    for plugin in ["kuryr", "fuxi"] {
        std::fs::remove_file(world.plugin_socket(plugin))?;
    }
    in_host(world, "dpkg", &["--purge", "kuryr"])?;
    goes_on(world, &two, "purged")?;
    let left =
        in_host(world, "sh", &["-c", "ls -d /etc/kuryr /etc/fuxi /usr/bin/kuryr 2>/dev/null || true"])?;
    ensure!(left.is_empty(), "{left}");
    Ok(())
}

/// The container has its network and its volume.
fn goes_on(world: &World, other: &str, when: &str) -> Result<()> {
    world.ping("one", other).with_context(|| format!("no network: {when}"))?;
    world
        .docker(&["exec", "one", "sh", "-c", &format!("echo {when} >> /data/log && sync")])
        .with_context(|| format!("no volume: {when}"))
        .map(drop)
}

/// The same package with a later version.
fn newer(world: &World, deb: &std::path::Path) -> Result<String> {
    let tree = world.dir().join("newer").to_string_lossy().into_owned();
    let newer = world.dir().join("newer.deb").to_string_lossy().into_owned();
    in_host(world, "dpkg-deb", &["--raw-extract", &deb.to_string_lossy(), &tree])?;
    in_host(world, "sed", &["-i", "s/^Version: .*/&+next/", &format!("{tree}/DEBIAN/control")])?;
    in_host(world, "dpkg-deb", &["-Zgzip", "-z1", "--build", &tree, &newer])?;
    Ok(newer)
}

/// Runs a program in the host and gives what it prints.
fn in_host(world: &World, program: &str, args: &[&str]) -> Result<String> {
    let mut command = world.host().command(program);
    let output = command.args(args).env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C").output()?;
    ensure!(output.status.success(), "{program} {args:?}: {output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits a little longer than anything here takes.
fn soon(what: &str, holds: impl FnMut() -> bool) -> Result<()> {
    wait_until(what, holds)
}

/// Between two of the watchdog's words at most.
const WATCHDOG: Duration = Duration::from_secs(2);
