//! The plugin, the engine and the cloud come and go.

use anyhow::{Result, ensure};
use testkit::World;

use crate::Case;
use crate::networks::{create, remove};

pub(crate) const CASES: &[Case] = &[
    ("a_stopped_container_starts_again", restart),
    ("a_container_joins_and_leaves_a_second_network", second_network),
    ("containers_keep_working_while_the_plugin_is_restarted", plugin_restart),
    ("a_crash_of_the_engine_leaves_nothing_behind", engine_crash),
    ("known_networks_and_volumes_are_served_while_the_cloud_is_away", cloud_away),
    ("a_second_plugin_process_on_the_same_state_is_refused", two_processes),
    ("the_status_command_shows_networks_and_volumes", status),
    ("a_plugin_that_has_worked_keeps_little_memory", memory),
];

fn restart(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    world.docker(&["restart", "--time", "0", "one"])?;
    world.ping("one", "10.20.0.1")?;
    remove(world, &["one"], &["foo"])
}

fn second_network(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    create(world, "bar", "10.21.0.0/24", "10.21.0.1")?;
    world.run("one", &["--network", "foo"])?;
    world.docker(&["network", "connect", "bar", "one"])?;
    world.ping("one", "10.21.0.1")?;
    world.docker(&["network", "disconnect", "bar", "one"])?;
    world.ping("one", "10.20.0.1")?;
    remove(world, &["one"], &["foo", "bar"])
}

/// What to run a container with, besides its network: a volume where the cloud has any.
fn with_volume(world: &World) -> Result<&'static [&'static str]> {
    if !world.has_volumes() {
        return Ok(&[]);
    }
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", "my_vol"])?;
    Ok(&["-v", "my_vol:/data"])
}

/// Runs a command on the volume's file in a container, where the cloud has volumes.
fn on_volume(world: &World, container: &str, command: &str) -> Result<()> {
    if !world.has_volumes() {
        return Ok(());
    }
    world.docker(&["exec", container, command, "/data/file"]).map(drop)
}

fn without_volume(world: &World) -> Result<()> {
    if !world.has_volumes() {
        return Ok(());
    }
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn plugin_restart(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let args = [&["--network", "foo"], with_volume(world)?].concat();
    world.run("one", &args)?;
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    world.ping("one", "10.20.0.1")?;
    on_volume(world, "one", "touch")?;
    world.start_plugin()?;
    world.run("two", &args)?;
    on_volume(world, "two", "ls")?;
    remove(world, &["one", "two"], &["foo"])?;
    without_volume(world)
}

fn engine_crash(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &[&["--network", "foo", "--restart", "always"], with_volume(world)?].concat())?;
    crash_engine(world)?;
    world.ping("one", "10.20.0.1")?;
    on_volume(world, "one", "touch")?;
    remove(world, &["one"], &["foo"])?;
    without_volume(world)
}

/// Kills the engine, starts it again and waits until it has the container `one` back.
pub(crate) fn crash_engine(world: &mut World) -> Result<()> {
    world.docker.kill();
    let host = world.host_pid();
    ensure!(std::path::Path::new(&format!("/proc/{host}")).exists());
    world.relaunch_docker()?;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while world.docker(&["exec", "one", "true"]).is_err() {
        ensure!(std::time::Instant::now() < end, "the container did not come back");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    Ok(())
}

fn cloud_away(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    with_volume(world)?;
    world.stop_cloud();
    let network = world.docker(&["network", "inspect", "foo"]);
    let listed = world.docker(&["volume", "ls", "--quiet"]);
    let shown =
        if world.has_volumes() { world.docker(&["volume", "inspect", "my_vol"]).map(drop) } else { Ok(()) };
    world.start_cloud()?;
    let listed = listed?;
    ensure!(
        !world.has_volumes() || listed.lines().any(|l| l == "my_vol"),
        "the volume vanished from the list"
    );
    shown?;
    network?;
    without_volume(world)?;
    remove(world, &[], &["foo"])
}

fn two_processes(world: &mut World) -> Result<()> {
    let (network, volume) = (world.dir().join("kuryr.conf"), world.dir().join("fuxi.conf"));
    let output = world.kuryr(&[
        "serve",
        "--config-file",
        &network.to_string_lossy(),
        "--fuxi-config-file",
        &volume.to_string_lossy(),
    ])?;
    ensure!(!output.status.success(), "two processes serve the same state");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(error.contains("in use") || error.contains("already"), "{error}");
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    remove(world, &[], &["foo"])
}

fn status(world: &mut World) -> Result<()> {
    let id = create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    with_volume(world)?;
    let config = world.dir().join("kuryr.conf");
    let output = world.kuryr(&["status", "--config-file", &config.to_string_lossy()])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && text.contains(&id[..12]), "{output:?}");
    ensure!(!world.has_volumes() || text.contains("my_vol"), "{output:?}");
    without_volume(world)?;
    remove(world, &[], &["foo"])
}

fn memory(world: &mut World) -> Result<()> {
    let pid = world.plugin_pid().unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    // Not VmRSS: a debug build's text is several times the release's. `bench calls` measures that one as a whole.
    let own = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap_or_default().trim().to_owned();
    let kib: u64 = own.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
    ensure!(kib < 12 * 1024, "{own} of memory of its own after a suite's work");
    Ok(())
}
