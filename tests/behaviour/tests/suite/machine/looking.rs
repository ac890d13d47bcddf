//! What the operator sees of a machine: `kuryr status` and `kuryr gc`.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::World;

use super::pairs::set_port;
use super::{on_macvlan, pair_of, port_of};
use crate::Case;
use crate::gc::{forget_container, gc, report, told};
use crate::networks::text;
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("the_status_command_shows_the_machine", shown),
    ("a_container_of_a_machine_that_no_record_names_stays_until_it_ends", forgotten),
];

pub(super) fn status(world: &World) -> Result<String> {
    let config = world.dir().join("kuryr.conf");
    let output = world.kuryr(&["status", "--config-file", &config.to_string_lossy()])?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        world.run("one", &["--network", "foo"])?;
        let (machine, port) = (world.machine()?.clone(), port_of(world, "one")?);
        let line = format!(
            "virtual machine: macvlan on vm0, port {}, network {}, trunk -",
            machine.port, machine.network
        );
        let status = status(world)?;
        ensure!(status.lines().any(|l| l == line), "{status}");
        let link = format!("t_c{}", text(&port, "id").get(..11).unwrap_or_default());
        ensure!(status.contains(text(&port, "id")) && status.contains(&link), "{status}");
        let table = gc(world, &["--dry-run"])?;
        ensure!(String::from_utf8_lossy(&table.stdout).trim() == "no orphans", "{table:?}");
        world.remove("one")
    })
}

fn forgotten(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let neighbour = world.machines_neighbour()?.addresses[0].to_string();
        world.run("one", &["--network", "foo"])?;
        let port = port_of(world, "one")?;
        forget_container(world)?;
        world.start_plugin()?;
        let (orphans, code) = report(world, &[])?;
        let ports = told(&orphans, "port");
        ensure!(code == Some(0) && orphans.len() == 1 && ports.len() == 1, "{orphans:?}");
        ensure!(text(ports[0], "id") == text(&port, "id") && text(ports[0], "action") == "left");
        ensure!(text(ports[0], "why").contains("allowed pair of this machine's port"), "{orphans:?}");
        world.ping("one", &neighbour).context("a running container lost its port")?;
        // With the container its link is back on the host: nothing can use the port any more.
        world.remove("one")?;
        let (orphans, code) = report(world, &[])?;
        let (links, ports) = (told(&orphans, "link"), told(&orphans, "port"));
        ensure!(code == Some(0) && orphans.len() == 2 && links.len() == 1 && ports.len() == 1, "{orphans:?}");
        ensure!(orphans.iter().all(|o| text(o, "action") == "removed"), "{orphans:?}");
        // Nothing at a pair says whose it is: the operator hears of it.
        ensure!(text(ports[0], "why").contains("stays an allowed pair"), "{orphans:?}");
        ensure!(world.machines_pairs()? == [pair_of(&port)], "{:?}", world.machines_pairs()?);
        set_port(world, json!({"allowed_address_pairs": []}))
    })
}
