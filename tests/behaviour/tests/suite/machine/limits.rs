//! What cannot be had in a machine whose containers share its port, and what looks like it.

use anyhow::{Result, ensure};
use testkit::World;

use super::{RANGE, on_macvlan, pair_of, port_of};
use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::defects::{configured, run_fails};
use crate::networks::text;
use crate::skips::once;

pub(crate) const CASES: &[Case] = &[
    ("ports_exposed_in_a_machine_are_refused_unless_the_operator_opens_them_himself", exposed),
    ("another_network_than_the_machines_is_refused_by_name", other_network),
    ("an_option_without_effect_in_a_machine_is_refused", option),
    ("a_range_nobody_named_is_refused_in_a_machine_with_the_one_to_name", automatic),
    ("a_further_subnet_of_a_machines_network_is_made_and_removed", further_subnet),
];

fn exposed(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let before = world.inventory()?;
        for wish in [["--expose", "8080/udp"], ["--publish", "18080:8080"]] {
            let error = run_fails(world, "one", &[&["--network", "foo"][..], &wish].concat())?;
            for advice in ["security group", "process_external_connectivity", "driver = vlan"] {
                ensure!(error.contains(advice), "`{advice}` is not in the text: {error}");
            }
            ensure!(before == world.inventory()?, "the refusal left something in the cloud");
            world.remove("one")?;
        }
        configured(world, &[("DEFAULT", "process_external_connectivity = False")], |world| {
            let wishes = ["--network", "foo", "--expose", "8080/udp", "--publish", "18080:8080"];
            world.run("one", &wishes)?;
            ensure!(world.machines_pairs()? == [pair_of(&port_of(world, "one")?)]);
            world.remove("one")
        })
    })
}

fn other_network(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let other = make_network(world, "theirs", Some("10.71.0.0/24"))?;
        let before = world.inventory()?;
        for option in [format!("neutron.net.uuid={other}"), "neutron.net.name=theirs".to_owned()] {
            let error = world.create_network_fails("bar", &["--subnet", "10.71.0.0/24", "-o", &option])?;
            let own = &world.machine()?.network;
            ensure!(error.contains(&other) && error.contains(own) && error.contains("vlan"), "{error}");
        }
        ensure!(before == world.inventory()?, "the refusal left something in the cloud");
        delete_network(world, &other)
    })
}

fn option(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        let option = "neutron.port.security_groups=default";
        let error = world.create_network_fails("bar", &["--subnet", RANGE, "-o", option])?;
        ensure!(error.contains("neutron.port.security_groups") && error.contains("no effect"), "{error}");
        Ok(())
    })
}

/// Docker would ask without end for a range that its host is not on.
fn automatic(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        world.cloud.clear_log()?;
        let error = world.create_network_fails("auto", &[])?;
        ensure!(error.contains(&format!("--subnet {RANGE}")), "{error}");
        ensure!(world.cloud.calls()?.len() < 8, "{:?}", world.cloud.calls()?);
        Ok(())
    })
}

fn further_subnet(world: &mut World) -> Result<()> {
    once(world)?;
    on_macvlan(world, |world| {
        world.create_network("bar", &["--subnet", "10.71.0.0/24"])?;
        world.run("one", &["--network", "bar"])?;
        let address = world.address("one", "bar")?.to_string();
        ensure!(address.starts_with("10.71.0."), "{address}");
        ensure!(world.machines_pairs()?.iter().any(|(has, _)| *has == address));
        let ports = crate::networks::list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
        ensure!(ports.len() == 1 && text(&ports[0], "network_id") == world.machine()?.network, "{ports:?}");
        world.remove("one")?;
        world.remove_network("bar")
    })
}
