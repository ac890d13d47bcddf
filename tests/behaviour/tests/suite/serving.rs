//! The demo on an engine that is somebody's.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::World;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("the_demo_leaves_somebodys_engine_as_it_was", demo),
    ("an_interrupted_demo_leaves_nothing_on_somebodys_engine", demo_interrupted),
    ("the_demo_refuses_an_engine_whose_things_it_would_disturb", demo_refused),
];

/// Held by a case with a demo: the worlds have one `/var/tmp` and cannot see each other's processes, so a demo that starts
/// takes the directory of one in another world for that of a killed one.
static ONE_DEMO: Mutex<()> = Mutex::new(());

fn alone_with_demos() -> MutexGuard<'static, ()> {
    ONE_DEMO.lock().unwrap_or_else(PoisonError::into_inner)
}

const DEMO: &str = "the demo brings a development cloud of its own, with bridges and volumes on this host";
const ENGINE: &str = "unix:///run/docker.sock";

fn demo(world: &mut World) -> Result<()> {
    let _alone = alone_with_demos();
    world.only_on_devcloud(DEMO)?;
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    // The engine has the image under another name, so that the demo brings its own.
    world.docker(&["image", "tag", "busybox", "kept"])?;
    world.docker(&["image", "rm", "busybox"])?;
    let before = traces(world)?;
    let output = world.kuryr(&["demo", "--docker", ENGINE])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && text.contains("Every step held."), "{output:?}");
    let after = traces(world)?;
    ensure!(before == after, "{before}\nis now\n{after}");
    world.docker(&["image", "tag", "kept", "busybox"])?;
    world.docker(&["image", "rm", "kept"])?;
    world.start_plugin()
}

fn demo_interrupted(world: &mut World) -> Result<()> {
    let _alone = alone_with_demos();
    world.only_on_devcloud(DEMO)?;
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    let before = traces(world)?;
    let mut demo = world.spawn_kuryr(&["demo", "--docker", ENGINE])?;
    let end = Instant::now() + Duration::from_secs(60);
    // In the middle of it: a network, containers and a cloud are there.
    while !world.plugin_log().contains("\n3. A fixed address") {
        ensure!(demo.is_running() && Instant::now() < end, "{}", world.plugin_log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = demo.stop(Duration::from_secs(60)).context("the demo did not end")?;
    ensure!(!status.success() && world.plugin_log().contains("interrupted"), "{}", world.plugin_log());
    let after = traces(world)?;
    ensure!(before == after, "{before}\nis now\n{after}");
    world.start_plugin()
}

fn demo_refused(world: &mut World) -> Result<()> {
    let _alone = alone_with_demos();
    world.only_on_devcloud(DEMO)?;
    let refused = |world: &World, what: &str| -> Result<()> {
        let output = world.kuryr(&["demo", "--docker", ENGINE])?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && error.contains(what), "{output:?}");
        Ok(())
    };
    refused(world, "kuryr.sock already")?;
    world.run("one", &["--network", "none"])?;
    refused(world, "a container named one")?;
    world.docker(&["exec", "one", "true"])?;
    world.remove("one")?;
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", "my_vol"])?;
    refused(world, "a volume named my_vol")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

/// What a demo might leave behind in engine and kernel.
fn traces(world: &World) -> Result<String> {
    let mut found = Vec::new();
    for kind in ["image", "network", "volume"] {
        found.push(world.docker(&[kind, "ls", "--quiet"])?);
    }
    found.push(world.docker(&["image", "ls", "--format", "{{.Repository}}"])?);
    for (program, args) in [
        ("ip", &["-brief", "address"][..]),
        ("nft", &["list", "tables"]),
        ("find", &["/var/tmp", "-maxdepth", "1", "-name", "kuryr-demo-*"]),
        ("find", &["/run/docker/plugins"]),
        ("ps", &["-e", "-o", "args"]),
    ] {
        let output = world.host().command(program).args(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The looking itself is no trace.
        let lines: Vec<&str> =
            text.lines().filter(|l| !l.starts_with("ps ") && !l.starts_with('[')).collect();
        found.push(lines.join("\n"));
    }
    for device in fs::read_dir("/sys/block")?.flatten() {
        let backing = fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
        if backing.contains("kuryr-demo-") {
            found.push(backing);
        }
    }
    Ok(found.join("\n"))
}
