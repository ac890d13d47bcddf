//! What Neutron does for each container, and what it must get back.

use anyhow::{Context, Result, ensure};
use guests::{
    Binding, Instance, Network, Neutron, Pair, Port, Wiring, ping, ping_stops, tcp_closes, tcp_opens, text,
};
use serde_json::{Value, json};
use testkit::{Call, Fault, World};

use crate::Case;
use crate::containers::join;

pub(crate) const CASES: &[Case] = &[
    (
        "security_groups_block_and_open_each_container_in_a_trunk",
        Wiring::Trunk,
        security_groups_block_and_open_each_container,
    ),
    (
        "an_existing_port_is_a_subport_while_a_container_has_it_and_given_back_as_found",
        Wiring::Trunk,
        an_existing_port_is_given_back,
    ),
    ("containers_on_ready_subports_start_and_stop_without_a_call", Wiring::Trunk, ready_subports),
    ("many_containers_at_once_cost_two_calls_each_and_leave_nothing", Wiring::Trunk, many_containers_at_once),
    (
        "a_machine_that_boots_while_neutron_is_away_answers_and_recovers",
        Wiring::Plain,
        neutron_is_away_at_the_start,
    ),
    ("containers_on_routed_ipvlan_links_reach_each_other_by_routes", Wiring::Plain, routed_ipvlan),
];

const NAME: &str = "guarded";
const RANGE: &str = "10.97.0.0/24";

fn group(neutron: &Neutron, name: &str) -> Result<String> {
    let made = neutron.make("security_group", "security-groups", &json!({"name": name}))?;
    Ok(text(&made, "/id").to_owned())
}

fn security_groups_block_and_open_each_container(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Vlan))?;
    let neutron = Neutron::of(world);
    let network = Network::make(&neutron, NAME, RANGE)?;
    for instance in [&pair.one, &pair.two] {
        join(instance, NAME, &network, RANGE)?;
    }
    // Nothing comes in: a new group has no rule for that.
    let locked = group(&neutron, "locked")?;
    let outcome = (|| {
        let guarded = format!("name={NAME},driver-opt=neutron.port.security_groups={locked}");
        let caller = pair.one.run("caller", &["--network", NAME])?;
        let open = pair.two.run("open", &["--network", NAME])?;
        let shut = pair.two.run("shut", &["--network", &guarded])?;
        let ajar = pair.two.run("ajar", &["--network", &guarded, "--expose", "7777/tcp"])?;
        let address = |name: &str| pair.two.container_address(name, NAME);
        // The same machine, the same trunk: each has rules of its own.
        ping(&caller.spot, &address("open")?)?;
        ensure!(tcp_opens(&caller.spot, &ajar.spot, &address("ajar")?, 7777)?, "the exposed port is shut");
        ensure!(tcp_closes(&caller.spot, &ajar.spot, &address("ajar")?, 7778)?, "another port is open");
        ensure!(ping_stops(&caller.spot, &address("shut")?)?, "a container in a shut group answers");
        ensure!(tcp_closes(&caller.spot, &shut.spot, &address("shut")?, 7777)?, "its port is open");
        ensure!(tcp_opens(&caller.spot, &open.spot, &address("open")?, 7777)?, "the neighbour is shut, too");
        for (instance, name) in
            [(&pair.one, "caller"), (&pair.two, "open"), (&pair.two, "shut"), (&pair.two, "ajar")]
        {
            instance.remove(name)?;
        }
        pair.one.remove_network(NAME)?;
        pair.two.remove_network(NAME)
    })();
    neutron.delete("security-groups", &locked)?;
    outcome
}

/// Of a port, what an operator may have set, and what Neutron and its agents may not leave changed.
fn facts(neutron: &Neutron, port: &str) -> Result<Value> {
    let mut all = neutron.show("port", "ports", port)?;
    for key in ["revision_number", "updated_at", "status"] {
        all.as_object_mut().context("no object")?.remove(key);
    }
    Ok(all)
}

fn an_existing_port_is_given_back(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Vlan))?;
    let neutron = Neutron::of(world);
    let network = Network::make(&neutron, NAME, RANGE)?;
    join(&pair.one, NAME, &network, RANGE)?;
    let port = Port::make(&neutron, &network, "theirs")?;
    let before = facts(&neutron, &port.id)?;
    for _ in 0..2 {
        pair.one.run("ca", &["--network", NAME, "--ip", &port.address])?;
        neutron.await_active("port", "ports", &port.id)?;
        ensure!(text(&facts(&neutron, &port.id)?, "/device_owner") == "trunk:subport", "no subport");
        pair.one.remove("ca")?;
        let after = facts(&neutron, &port.id)?;
        ensure!(after == before, "{before}\nhas become\n{after}");
    }
    pair.one.remove_network(NAME)
}

fn neutrons(world: &World) -> Result<Vec<Call>> {
    Ok(world.cloud.calls()?.into_iter().filter(|call| call.path.starts_with("/networking/")).collect())
}

fn shown(calls: &[Call]) -> String {
    calls.iter().map(|c| format!("{} {} {}\n", c.method, c.path, c.status)).collect()
}

fn ready_subports(world: &World, pair: &mut Pair) -> Result<()> {
    let more = "[binding]\nsubport_pool_min = 2\nsubport_pool_max = 3\n";
    let machine = &mut pair.one;
    machine.serve(None)?;
    machine.stop_plugin()?;
    machine.configure_plugin(Some(Binding::Vlan), more)?;
    // Docker asks about MAC addresses when it first uses the plugin.
    machine.stop_engine()?;
    machine.start_plugin()?;
    machine.start_engine()?;
    let network = Network::make(&Neutron::of(world), NAME, RANGE)?;
    join(machine, NAME, &network, RANGE)?;
    await_spares(machine, 3)?;
    world.cloud.clear_log()?;
    let container = machine.run("ca", &["--network", NAME])?;
    machine.remove("ca")?;
    let calls = neutrons(world)?;
    ensure!(calls.is_empty(), "{}", shown(&calls));
    drop(container);
    // They are real ones: two containers talk.
    let (a, b) = (machine.run("ca", &["--network", NAME])?, machine.run("cb", &["--network", NAME])?);
    ping(&a.spot, &machine.container_address("cb", NAME)?)?;
    ping(&b.spot, &machine.container_address("ca", NAME)?)?;
    machine.remove("ca")?;
    machine.remove("cb")?;
    machine.remove_network(NAME)?;
    machine.stop_plugin()?;
    machine.configure_plugin(None, "")?;
    machine.stop_engine()
}

fn await_spares(machine: &Instance, wanted: u64) -> Result<()> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let status: Value = serde_json::from_str(&machine.kuryr(&["status", "--json"])?).context("status")?;
        if status.pointer("/network/machine/spares").and_then(Value::as_u64) == Some(wanted) {
            return Ok(());
        }
        ensure!(std::time::Instant::now() < end, "no {wanted} ready subports: {status}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Containers that are asked for at the same moment.
const AT_ONCE: usize = 8;

fn many_containers_at_once(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Vlan))?;
    let network = Network::make(&Neutron::of(world), NAME, RANGE)?;
    join(&pair.one, NAME, &network, RANGE)?;
    let machine = &pair.one;
    // The first one finds the machine's port and trunk.
    machine.run("first", &["--network", NAME])?;
    let names: Vec<String> = (0..AT_ONCE).map(|n| format!("c{n}")).collect();
    world.cloud.clear_log()?;
    let all = |act: &(dyn Fn(&str) -> Result<()> + Sync)| -> Result<()> {
        std::thread::scope(|scope| {
            let started: Vec<_> = names.iter().map(|name| scope.spawn(move || act(name))).collect();
            started.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("panicked"))?)
        })
    };
    all(&|name| machine.run(name, &["--network", NAME]).map(drop))?;
    let calls = neutrons(world)?;
    ensure!(calls.len() <= 2 * AT_ONCE, "{} calls:\n{}", calls.len(), shown(&calls));
    world.cloud.clear_log()?;
    all(&|name| machine.remove(name))?;
    let calls = neutrons(world)?;
    ensure!(calls.len() <= 2 * AT_ONCE, "{} calls:\n{}", calls.len(), shown(&calls));
    machine.remove("first")?;
    machine.remove_network(NAME)
}

fn neutron_is_away_at_the_start(world: &World, pair: &mut Pair) -> Result<()> {
    pair.serve(Some(Binding::Macvlan))?;
    join(&pair.one, NAME, &pair.network, guests::RANGE)?;
    pair.one.kill_plugin();
    let away =
        Fault { method: "", path: "/networking/*", nth: 1, count: 1000, action: json!({"status": 503}) };
    world.cloud.fault(&away)?;
    pair.one.start_plugin()?;
    let text = pair.one.docker_fails(&["run", "--rm", "--network", NAME, "busybox", "true"])?;
    ensure!(text.contains("503") || text.contains("not finished"), "{text}");
    world.cloud.clear_faults()?;
    let container = pair.one.run("ca", &["--network", NAME])?;
    ping(&container.spot, pair.two.address())?;
    pair.one.remove("ca")?;
    pair.one.remove_network(NAME)
}

fn routed_ipvlan(_: &World, pair: &mut Pair) -> Result<()> {
    let more = "[binding]\nipvlan_mode = l3\n";
    for machine in [&mut pair.one, &mut pair.two] {
        machine.serve(None)?;
        machine.stop_plugin()?;
        machine.configure_plugin(Some(Binding::Ipvlan), more)?;
        machine.stop_engine()?;
        machine.start_plugin()?;
        machine.start_engine()?;
        join(machine, NAME, &pair.network, guests::RANGE)?;
    }
    let (one, two) = (&pair.one, &pair.two);
    let a = one.run("ca", &["--network", NAME])?;
    let b = two.run("cb", &["--network", NAME])?;
    let (to_a, to_b) = (one.container_address("ca", NAME)?, two.container_address("cb", NAME)?);
    let route = a.spot.must(&["ip", "route"])?;
    ensure!(route.contains("default dev eth0"), "{route}");
    // Nobody answers for their addresses on the network; each machine is told where the other one's containers are.
    for (machine, container, by) in [(one, &to_b, two), (two, &to_a, one)] {
        machine.guest.must(&["ip", "route", "add", &format!("{container}/32"), "via", by.address()])?;
    }
    ping(&a.spot, &to_b)?;
    ping(&b.spot, &to_a)?;
    ensure!(tcp_opens(&a.spot, &b.spot, &to_b, 7777)?, "TCP does not pass");
    for (machine, container) in [(one, &to_b), (two, &to_a)] {
        machine.guest.must(&["ip", "route", "delete", &format!("{container}/32")])?;
    }
    one.remove("ca")?;
    two.remove("cb")?;
    for machine in [&mut pair.one, &mut pair.two] {
        machine.remove_network(NAME)?;
        machine.stop_plugin()?;
        machine.configure_plugin(None, "")?;
        machine.stop_engine()?;
    }
    Ok(())
}
