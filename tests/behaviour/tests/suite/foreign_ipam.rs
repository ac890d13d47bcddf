//! Docker's own IPAM drivers: `default`, which chooses addresses, and `null`, which leaves them to Neutron.

use anyhow::{Result, ensure};
use testkit::World;

use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("addresses_of_dockers_own_ipam_are_the_ports", by_docker),
    ("a_container_on_dockers_own_ipam_survives_a_plugin_restart", restarted),
    ("without_ipam_neutron_chooses_the_address_and_the_container_has_it", by_neutron),
    ("without_ipam_and_without_an_existing_network_the_network_is_refused", refused),
];

fn by_docker(world: &mut World) -> Result<()> {
    world.docker(&["network", "create", "-d", "kuryr", "--subnet", "10.20.0.0/24", "foo"])?;
    for name in ["one", "two"] {
        world.run(name, &["--network", "foo"])?;
        let address = world.address(name, "foo")?;
        let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
        ensure!(ports.len() == 1 && text(&ports[0], "device_owner") == "compute:kuryr", "{ports:?}");
    }
    let two = world.address("two", "foo")?.to_string();
    world.ping("one", &two)?;
    world.ping("one", "10.20.0.1")?;
    world.remove("one")?;
    ensure!(
        list(world, "ports", "device_owner=compute:kuryr")?.len() == 1,
        "the port outlived its container"
    );
    remove(world, &["two"], &["foo"])
}

fn restarted(world: &mut World) -> Result<()> {
    world.docker(&["network", "create", "-d", "kuryr", "--subnet", "10.20.0.0/24", "foo"])?;
    world.run("one", &["--network", "foo"])?;
    world.kill_plugin();
    world.start_plugin()?;
    world.ping("one", "10.20.0.1")?;
    world.run("two", &["--network", "foo"])?;
    remove(world, &["one", "two"], &["foo"])
}

fn by_neutron(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    world.docker(&["network", "create", "-d", "kuryr", "--ipam-driver", "null", "-o", &option, "foo"])?;
    world.run("one", &["--network", "foo"])?;
    let ports = list(world, "ports", &format!("network_id={id}&device_owner=compute:kuryr"))?;
    ensure!(ports.len() == 1, "{ports:?}");
    let address = text(&ports[0]["fixed_ips"][0], "ip_address").to_owned();
    let shown = world.docker(&["exec", "one", "ip", "address", "show", "eth0"])?;
    ensure!(shown.contains(&format!("{address}/24")), "{address} is not on the container: {shown}");
    ensure!(shown.contains(text(&ports[0], "mac_address")), "{shown}");
    world.ping("one", "10.30.0.1")?;
    remove(world, &["one"], &["foo"])?;
    ensure!(list(world, "ports", &format!("network_id={id}&device_owner=compute:kuryr"))?.is_empty());
    delete_network(world, &id)
}

fn refused(world: &mut World) -> Result<()> {
    let error = world.docker_fails(&["network", "create", "-d", "kuryr", "--ipam-driver", "null", "foo"])?;
    ensure!(error.contains("neutron.net.uuid") && error.contains("--ipam-driver kuryr"), "{error}");
    Ok(())
}
