//! A second plugin with a journal of its own, as on another host, on the same cloud. Docker knows it as driver `other`.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use private_host::HostProcess;
use testkit::World;

use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{list, remove};

pub(crate) const CASES: &[Case] = &[
    ("two_hosts_use_one_network_and_leave_it_as_found", one_network),
    ("two_hosts_that_come_and_go_at_once_keep_each_others_tags", at_once),
    ("two_hosts_keep_the_same_auxiliary_address_free", auxiliary),
    ("two_hosts_use_a_subnet_that_one_of_them_made_and_has_left", left_subnet),
];

/// The other host's plugin; removed with its socket and journal.
struct Other {
    process: HostProcess,
    link: std::path::PathBuf,
}

impl Other {
    fn start(world: &World) -> Result<Self> {
        let dir = world.dir().join("other");
        fs::create_dir_all(&dir)?;
        let ours = world.state_dir().display().to_string();
        let config = fs::read_to_string(world.dir().join("kuryr.conf"))?;
        let file = dir.join("kuryr.conf");
        fs::write(&file, config.replace(&ours, &dir.join("state").to_string_lossy()))?;
        let (file, plugins) = (file.to_string_lossy(), dir.to_string_lossy());
        let args = ["serve", "--only", "kuryr", "--config-file", &file, "--plugin-dir", &plugins];
        let mut process = world.spawn_kuryr(&args)?;
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(dir.join("kuryr.sock")).is_err() {
            ensure!(process.is_running() && Instant::now() < end, "no second plugin: {}", world.plugin_log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let link = world.plugin_socket("other");
        let _ = fs::remove_file(&link);
        symlink(dir.join("kuryr.sock"), &link)?;
        Ok(Self { process, link })
    }

    fn stop(self, world: &World) -> Result<()> {
        let _ = fs::remove_file(&self.link);
        ensure!(self.process.stop(Duration::from_secs(30)).is_some_and(|s| s.success()), "no orderly end");
        let state = world.dir().join("other/state");
        for table in ["networks", "pools", "ports", "endpoints"] {
            let left = fs::read_dir(state.join(table)).map_or(0, Iterator::count);
            ensure!(left == 0, "{left} records of {table} are left on the other host");
        }
        Ok(fs::remove_dir_all(world.dir().join("other"))?)
    }
}

/// Runs `case` with a network of the tenant and the other host; the network is left as found.
fn with_other(world: &mut World, case: fn(&World, &str) -> Result<()>) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let before = world.inventory()?;
    let other = Other::start(world)?;
    let outcome = case(world, &id);
    let ended = other.stop(world);
    outcome.and(ended)?;
    world.expect_clean(&before)?;
    delete_network(world, &id)
}

fn create(world: &World, driver: &str, name: &str, id: &str, args: &[&str]) -> Result<String> {
    let option = format!("neutron.net.uuid={id}");
    let usual = [
        "network",
        "create",
        "-d",
        driver,
        "--ipam-driver",
        driver,
        "--subnet",
        "10.30.0.0/24",
        "-o",
        &option,
    ];
    world.docker(&[&usual[..], args, &[name]].concat())
}

fn tags(world: &World, id: &str) -> Result<usize> {
    let found = list(world, "networks", &format!("id={id}"))?;
    Ok(found.first().and_then(|n| n["tags"].as_array().map(Vec::len)).unwrap_or_default())
}

fn one_network(world: &mut World) -> Result<()> {
    with_other(world, |world, id| {
        create(world, "kuryr", "here", id, &[])?;
        create(world, "other", "there", id, &[])?;
        ensure!(tags(world, id)? == 6, "not the tags of both");
        world.run("one", &["--network", "here"])?;
        world.run("two", &["--network", "there"])?;
        let two = world.address("two", "there")?.to_string();
        world.ping("one", &two)?;
        remove(world, &["one"], &["here"])?;
        ensure!(tags(world, id)? == 3, "not the tags of the one that stays");
        world.run("three", &["--network", "there"])?;
        world.ping("three", &two)?;
        remove(world, &["two", "three"], &["there"])
    })
}

fn at_once(world: &mut World) -> Result<()> {
    with_other(world, |world, id| {
        let both = |verb: &(dyn Fn(&str, &str) -> Result<String> + Sync)| {
            std::thread::scope(|scope| {
                let runs = [("kuryr", "here"), ("other", "there")]
                    .map(|(driver, name)| scope.spawn(move || verb(driver, name)));
                runs.into_iter()
                    .try_for_each(|run| run.join().map_or_else(|_| anyhow::bail!("panic"), |r| r.map(drop)))
            })
        };
        for _ in 0..3 {
            both(&|driver, name| create(world, driver, name, id, &[]))?;
            ensure!(tags(world, id)? == 6, "a tag was lost");
            both(&|_, name| world.docker(&["network", "rm", name]))?;
        }
        Ok(())
    })
}

fn auxiliary(world: &mut World) -> Result<()> {
    with_other(world, |world, id| {
        let aux = ["--aux-address", "router=10.30.0.9"];
        create(world, "kuryr", "here", id, &aux)?;
        create(world, "other", "there", id, &aux)?;
        let held = list(world, "ports", "fixed_ips=ip_address%3D10.30.0.9")?;
        ensure!(held.len() == 1, "{held:?}");
        for network in ["here", "there"] {
            let args = ["run", "--rm", "--network", network, "--ip", "10.30.0.9", "busybox", "true"];
            let error = world.docker_fails(&args)?;
            ensure!(error.contains("10.30.0.9"), "{error}");
        }
        remove(world, &[], &["here", "there"])
    })
}

fn left_subnet(world: &mut World) -> Result<()> {
    with_other(world, |world, id| {
        let option = format!("neutron.net.uuid={id}");
        for (driver, name) in [("kuryr", "here"), ("other", "there")] {
            let range = ["--subnet", "10.31.0.0/24", "-o", &option, name];
            world.docker(
                &[&["network", "create", "-d", driver, "--ipam-driver", driver][..], &range].concat(),
            )?;
        }
        remove(world, &[], &["here"])?;
        world.run("one", &["--network", "there"])?;
        world.ping("one", "10.31.0.1")?;
        remove(world, &["one"], &["there"])
    })
}
