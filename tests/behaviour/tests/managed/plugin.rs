//! A managed plugin's life.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testkit::{World, wait_until};

/// What its processes are told by.
const PROGRAM: &str = "/usr/bin/kuryr";

/// Makes, sets and enables the plugin, with credentials from its environment and no file.
pub(crate) fn install(world: &World, name: &str, more: &[&str]) -> Result<()> {
    create(world, name)?;
    let dir = |sub: &str| -> Result<String> {
        let path = world.dir().join(sub);
        std::fs::create_dir_all(&path)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let mut set = vec![
        format!("IDENTITY_URL={}", world.cloud.auth_url()),
        "SERVICE_USER=demo".to_owned(),
        "SERVICE_PASSWORD=secret".to_owned(),
        "SERVICE_PROJECT_NAME=demo".to_owned(),
        "SERVICE_DOMAIN_NAME=Default".to_owned(),
        "LOG_LEVEL=debug".to_owned(),
        format!("state.source={}", dir("state")?),
        format!("log.source={}", dir("log")?),
    ];
    if name != "fuxi" {
        set.push(format!("openvswitch.source={}", dir("openvswitch")?));
        set.push(format!("kuryr-conf.source={}", dir("nothing")?));
    }
    if name != "kuryr" {
        set.push("OS_DEFAULT__MY_IP=127.0.0.1".to_owned());
        for mount in ["fuxi-conf", "udev", "lock", "iscsi", "nvme"] {
            set.push(format!("{mount}.source={}", dir("nothing")?));
        }
    }
    set.extend(more.iter().map(|&one| one.to_owned()));
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    world.docker(&[&["plugin", "set", name][..], &set].concat())?;
    world.docker(&["plugin", "enable", name])?;
    Ok(())
}

/// `docker plugin create` from the directory that was packaged.
fn create(world: &World, name: &str) -> Result<()> {
    let packaged = std::env::var_os("KURYR_TEST_PLUGINS").map(PathBuf::from);
    let packaged = packaged.context("KURYR_TEST_PLUGINS is not set; run `cargo xtask test --managed`")?;
    // From outside, where the directory is.
    let socket = format!("unix:///proc/{}/root/run/docker.sock", world.host_pid());
    let output = Command::new("docker")
        .args(["--host", &socket, "plugin", "create", name])
        .arg(packaged.join(name))
        .output()
        .context("start docker")?;
    ensure!(output.status.success(), "docker plugin create: {output:?}");
    Ok(())
}

/// Disables it, in use or not, and removes it with all that Docker keeps of it.
pub(crate) fn uninstall(world: &World, name: &str) -> Result<()> {
    world.docker(&["plugin", "disable", "--force", name])?;
    world.docker(&["plugin", "rm", "--force", name]).map(drop)
}

/// As a crash would end it; waits until Docker has started another one.
pub(crate) fn crash(world: &World) -> Result<()> {
    let before = processes(world);
    ensure!(before.len() == 1, "not one process of the plugin: {before:?}");
    let kill = world.host().command("busybox").args(["kill", "-9", &before[0].to_string()]).output()?;
    ensure!(kill.status.success(), "{kill:?}");
    wait_until("Docker starts the plugin again", || {
        let now = processes(world);
        now.len() == 1 && now != before
    })
}

/// Fails if a plugin's process is left.
pub(crate) fn nobody_serves(world: &World) -> Result<()> {
    wait_until("the plugins' processes end", || processes(world).is_empty())
}

/// The plugins' processes, by their pids on the host.
fn processes(world: &World) -> Vec<u32> {
    let proc = format!("/proc/{}/root/proc", world.host_pid());
    let all = std::fs::read_dir(proc).into_iter().flatten().flatten();
    all.filter_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let of_plugin = line.split(|b| *b == 0).next() == Some(PROGRAM.as_bytes());
        of_plugin.then(|| process.file_name().to_string_lossy().parse().ok()).flatten()
    })
    .collect()
}
