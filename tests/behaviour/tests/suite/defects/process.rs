//! Defects of the process: what it reads, where it listens, whom it believes to be.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use testkit::{CloudKind, World};

use super::{configured, port_at};
use crate::Case;
use crate::networks::{create, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("b24_the_socket_is_closed_to_others_and_no_network_hears_the_plugin", closed),
    ("b41_the_name_of_the_host_can_be_chosen", host_name),
];

fn closed(world: &mut World) -> Result<()> {
    let mode = std::fs::metadata(world.plugin_socket("kuryr"))?.permissions().mode();
    ensure!(mode & 0o007 == 0, "anybody may use the socket: {mode:o}");
    let pid = world.plugin_pid().context("no plugin")?;
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        if let Ok(target) = std::fs::read_link(entry.path()) {
            sockets.push(target.to_string_lossy().into_owned());
        }
    }
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(3) == Some(&"0A");
            let ours = fields.get(9).is_some_and(|inode| sockets.contains(&format!("socket:[{inode}]")));
            ensure!(!(listens && ours), "it listens on TCP without having been told: {line}");
        }
    }
    Ok(())
}

fn host_name(world: &mut World) -> Result<()> {
    configured(world, &[("DEFAULT", "host = compute-7")], |world| {
        create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
        if world.kind() == CloudKind::OpenStack {
            // No agent reports under that name: the refusal shows that Neutron was given it.
            let args = ["run", "--network", "foo", "--name", "one", "busybox", "true"];
            let error = world.docker_fails(&args)?;
            ensure!(error.contains("`compute-7`"), "{error}");
            return remove(world, &["one"], &["foo"]);
        }
        world.run("one", &["--network", "foo"])?;
        let port = port_at(world, &world.address("one", "foo")?.to_string())?;
        ensure!(text(&port, "binding:host_id") == "compute-7", "{port}");
        remove(world, &["one"], &["foo"])
    })
}
