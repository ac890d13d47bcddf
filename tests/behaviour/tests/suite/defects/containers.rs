//! Defects a container's user sees: what does not start, does not go, or leaks into the host.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Fault, World, udp_closes, udp_opens};

use super::{ask, delete, make, port_at, run_fails};
use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("b07_a_dual_stack_container_starts_on_one_port_and_leaves_nothing", dual_stack),
    ("b08_exposed_ports_of_each_protocol_open_in_both_families", exposed),
    ("b14_a_container_whose_port_and_link_are_gone_can_be_stopped", vanished),
    ("b17_addresses_of_other_ipam_drivers_are_used", foreign_ipam),
    ("b20_any_sandbox_may_be_joined", sandboxes),
    ("b23_a_refused_exposure_fails_the_start_and_says_so", refused_exposure),
    ("b27_no_container_address_ever_shows_in_the_host", host_stays_clean),
    ("b30_a_wait_for_the_port_ends_before_docker_gives_up", bounded_wait),
    ("b33_only_the_routes_of_the_ports_own_subnets_arrive", own_routes),
    ("b38_a_passing_fault_of_neutron_is_not_seen", passing_faults),
    ("b44_an_error_is_one_line_that_names_what_failed", one_line),
];

fn dual_stack(world: &mut World) -> Result<()> {
    world.create_network("both", &["--ipv6", "--subnet", "10.24.0.0/24", "--subnet", "fd24::/64"])?;
    let before = world.inside_host("ip", &["-brief", "link"])?;
    world.run("one", &["--network", "both"])?;
    world.run("two", &["--network", "both", "--ip", "10.24.0.50", "--ip6", "fd24::50"])?;
    let port = port_at(world, "10.24.0.50")?;
    ensure!(port.to_string().contains("fd24::50"), "{port}");
    world.ping("one", "10.24.0.50")?;
    world.ping("one", "fd24::50")?;
    remove(world, &["one", "two"], &[])?;
    let names = |links: &str| -> Vec<String> {
        let names =
            links.lines().filter_map(|l| l.split_whitespace().next()).filter(|n| n.starts_with("tap"));
        names.map(str::to_owned).collect()
    };
    let after = world.inside_host("ip", &["-brief", "link"])?;
    ensure!(names(&before) == names(&after), "{before}\n{after}");
    remove(world, &[], &["both"])
}

fn exposed(world: &mut World) -> Result<()> {
    world.create_network("both", &["--ipv6", "--subnet", "10.24.0.0/24", "--subnet", "fd24::/64"])?;
    let args = ["--network", "both", "--expose", "1234/udp", "--expose", "80/tcp", "--expose", "36412/sctp"];
    let inside = world.run("one", &args)?;
    let port = port_at(world, &world.address("one", "both")?.to_string())?;
    let mut open = Vec::new();
    for group in port["security_groups"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let query = format!("security_group_id={group}&direction=ingress");
        for rule in list(world, "security-group-rules", &query)? {
            if let Some(first) = rule["port_range_min"].as_u64() {
                open.push((text(&rule, "ethertype").to_owned(), text(&rule, "protocol").to_owned(), first));
            }
        }
    }
    for family in ["IPv4", "IPv6"] {
        for (protocol, number) in [("udp", 1234), ("tcp", 80), ("sctp", 36412)] {
            let wanted = (family.to_owned(), protocol.to_owned(), number);
            ensure!(open.contains(&wanted), "{wanted:?} is not among {open:?}");
        }
    }
    let stranger = world.stranger("one", "both")?;
    let address = world.address("one", "both")?;
    ensure!(udp_opens(&stranger, &inside, address, 1234)?, "1234 is exposed but closed");
    ensure!(udp_closes(&stranger, &inside, address, 1235)?, "1235 is open");
    remove(world, &["one"], &["both"])
}

fn vanished(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let port = text(&port_at(world, &world.address("one", "foo")?.to_string())?, "id").to_owned();
    delete(world, "ports", &port)?;
    let link = format!("tap{}", port.get(..11).unwrap_or_default());
    world.inside_host("ip", &["link", "delete", &link])?;
    world.docker(&["stop", "--time", "0", "one"])?;
    // Once more with a link only, whose port is gone.
    world.run("two", &["--network", "foo"])?;
    let port = text(&port_at(world, &world.address("two", "foo")?.to_string())?, "id").to_owned();
    delete(world, "ports", &port)?;
    world.docker(&["stop", "--time", "0", "two"])?;
    let links = world.inside_host("ip", &["-brief", "link"])?;
    ensure!(!links.contains(port.get(..11).unwrap_or_default()), "the link stayed: {links}");
    remove(world, &["one", "two"], &["foo"])
}

fn foreign_ipam(world: &mut World) -> Result<()> {
    let create = |ipam: &str, args: &[&str]| {
        world.docker(&[&["network", "create", "-d", "kuryr", "--ipam-driver", ipam][..], args].concat())
    };
    create("default", &["--subnet", "10.29.0.0/24", "--gateway", "10.29.0.1", "foreign"])?;
    world.run("one", &["--network", "foreign"])?;
    world.run("two", &["--network", "foreign", "--ip", "10.29.0.77"])?;
    port_at(world, &world.address("one", "foreign")?.to_string())?;
    world.ping("one", "10.29.0.77")?;
    remove(world, &["one", "two"], &["foreign"])?;
    // `null` names no range, so the network must exist.
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    create("null", &["-o", &format!("neutron.net.uuid={id}"), "nothing"])?;
    world.run("one", &["--network", "nothing"])?;
    let links = world.docker(&["exec", "one", "ip", "link"])?;
    let port = list(world, "ports", &format!("network_id={id}&device_owner=compute:kuryr"))?;
    ensure!(port.len() == 1 && links.contains(text(&port[0], "mac_address")), "{port:?} {links}");
    remove(world, &["one"], &["nothing"])?;
    delete_network(world, &id)
}

fn sandboxes(world: &mut World) -> Result<()> {
    let network = create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let format = "{{(index .NetworkSettings.Networks \"foo\").EndpointID}}";
    let endpoint = world.docker(&["inspect", "--format", format, "one"])?;
    // Of a rootless engine, of one with another directory, of a swarm, of none.
    for key in
        ["/run/user/1000/docker/netns/6a2cd1e36d0b", "/srv/exec-root/netns/1-ab", "/x/netns/lb_x1y2z3", ""]
    {
        let body = json!({"NetworkID": network, "EndpointID": endpoint, "SandboxKey": key, "Options": {}});
        let answer = super::asked(world, "NetworkDriver.Join", &body)?;
        ensure!(text(&answer, "Gateway") == "10.20.0.1", "{key}: {answer}");
    }
    remove(world, &["one"], &["foo"])
}

fn refused_exposure(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    for status in [404, 409] {
        let path = "/networking/v2.0/security-groups";
        let fault = Fault { count: 0, ..Fault::next("POST", path, json!({"status": status})) };
        world.cloud.fault(&fault)?;
        let error = run_fails(world, "one", &["--network", "foo", "--expose", "80/tcp"])?;
        ensure!(error.contains("security group"), "{error}");
        world.cloud.clear_faults()?;
        world.remove("one")?;
    }
    // 404 means to an engine that the driver does not know the method.
    let body =
        json!({"NetworkID": "0".repeat(64), "EndpointID": "1".repeat(64), "SandboxKey": "/x", "Options": {}});
    for method in ["Join", "ProgramExternalConnectivity", "RevokeExternalConnectivity", "EndpointOperInfo"] {
        let (status, answer) = ask(world, &format!("NetworkDriver.{method}"), &body)?;
        ensure!(status != 404, "{method}: {status} {answer}");
    }
    remove(world, &[], &["foo"])
}

fn host_stays_clean(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let log = world.dir().join("monitor.log");
    let monitor = world.host().spawn("ip", &["monitor", "address", "route"], &log)?;
    std::thread::sleep(Duration::from_millis(300));
    let ran = world.run("one", &["--network", "foo", "--ip", "10.20.0.55"]);
    let details = world.inside_host("ip", &["-details", "link"]);
    std::thread::sleep(Duration::from_millis(300));
    monitor.kill();
    ran?;
    let seen = std::fs::read_to_string(&log)?;
    // The new link's own route at least.
    ensure!(!seen.trim().is_empty(), "the monitor saw nothing");
    ensure!(!seen.contains("10.20.0.55"), "the host had the container's address: {seen}");
    let port = text(&port_at(world, "10.20.0.55")?, "id").to_owned();
    let tap = format!("tap{}", port.get(..11).unwrap_or_default());
    let details = details?;
    let line = details.lines().find(|l| l.contains(&tap)).unwrap_or_default();
    let inside = world.docker(&["exec", "one", "ip", "link", "show", "eth0"])?;
    let network =
        list(world, "networks", &format!("id={}", text(&port_at(world, "10.20.0.55")?, "network_id")))?;
    let mtu = format!("mtu {} ", network[0]["mtu"]);
    ensure!(line.contains(&mtu) && inside.contains(&mtu), "{mtu}: {line}\n{inside}");
    remove(world, &["one"], &["foo"])
}

fn bounded_wait(world: &mut World) -> Result<()> {
    world.only_on_devcloud("an agent of real services cannot be told to be silent")?;
    let lines = "vif_plugging_is_fatal = True\nvif_plugging_timeout = 0";
    super::configured(world, &[("neutron", lines)], |world| {
        create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
        world.cloud.admin("POST", "options", Some(json!({"agents_away": true})))?;
        let started = Instant::now();
        let error = run_fails(world, "one", &["--network", "foo"]);
        let took = started.elapsed();
        world.cloud.admin("POST", "options", Some(json!({"agents_away": false})))?;
        let error = error?;
        ensure!(error.contains("ACTIVE") || error.contains("DOWN"), "{error}");
        ensure!(took < Duration::from_secs(30), "{took:?}: Docker gave up first: {error}");
        let mine = "device_owner=compute:kuryr";
        ensure!(list(world, "ports", mine)?.is_empty(), "a port stayed: {:?}", list(world, "ports", mine)?);
        world.remove("one")?;
        world.run("two", &["--network", "foo"])?;
        world.ping("two", "10.20.0.1")?;
        remove(world, &["two"], &["foo"])
    })
}

fn own_routes(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", None)?;
    for (cidr, destination, hop) in
        [("10.30.0.0/24", "10.91.0.0/16", "10.30.0.9"), ("10.31.0.0/24", "10.92.0.0/16", "10.31.0.9")]
    {
        let routes = json!([{"destination": destination, "nexthop": hop}]);
        let body = json!({"network_id": id, "ip_version": 4, "cidr": cidr, "host_routes": routes});
        make(world, "subnets", "subnet", body)?;
    }
    let option = format!("neutron.net.uuid={id}");
    world.create_network("reused", &["--subnet", "10.30.0.0/24", "-o", &option])?;
    world.run("one", &["--network", "reused"])?;
    let routes = world.docker(&["exec", "one", "ip", "route"])?;
    ensure!(routes.contains("10.91.0.0/16 via 10.30.0.9"), "{routes}");
    ensure!(!routes.contains("10.92.") && !routes.contains("10.31."), "{routes}");
    remove(world, &["one"], &["reused"])?;
    delete_network(world, &id)
}

fn passing_faults(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    let args = ["--subnet", "10.30.0.0/24", "-o", &option];
    for action in
        [json!({"status": 503}), json!({"status": 429}), json!({"drop": true}), json!({"lose_answer": true})]
    {
        for (method, path) in [
            ("GET", "/networking/v2.0/*"),
            ("PUT", "/networking/v2.0/*"),
            ("DELETE", "/networking/v2.0/ports/*"),
        ] {
            world.cloud.fault(&Fault::next(method, path, action.clone()))?;
        }
        world.create_network("reused", &args).with_context(|| action.to_string())?;
        world.run("one", &["--network", "reused"])?;
        remove(world, &["one"], &["reused"])?;
        world.cloud.clear_faults()?;
    }
    delete_network(world, &id)
}

fn one_line(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let id = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
    let uuid = format!("neutron.net.uuid={id}");
    let network = |args: &[&str]| world.create_network_fails("bad", args);
    let mut said = vec![
        (network(&["--subnet", "10.21.0.0/24", "-o", &uuid])?, id),
        (network(&["--subnet", "10.21.0.0/24", "-o", "neutron.net.uid=x"])?, "neutron.net.uuid"),
        (network(&["--subnet", "10.21.0.0/24", "-o", "neutron.pool.name=nobody"])?, "nobody"),
        (run_fails(world, "one", &["--network", "foo", "--ip", "10.20.0.1"])?, "10.20.0.1"),
    ];
    world.remove("one")?;
    world
        .cloud
        .fault(&Fault { count: 0, ..Fault::next("", "/networking/v2.0/ports*", json!({"status": 500})) })?;
    said.push((run_fails(world, "one", &["--network", "foo"])?, "port"));
    world.cloud.clear_faults()?;
    for (error, named) in said {
        let ours: Vec<&str> =
            error.lines().filter(|l| !l.trim().is_empty() && !l.contains("--help")).collect();
        ensure!(ours.len() <= 2 && error.contains(named), "no `{named}`: {error}");
        for ugly in ["Traceback", "('", "u'", "None", "doesn't exit", "Error {"] {
            ensure!(!error.contains(ugly), "{ugly}: {error}");
        }
    }
    remove(world, &["one"], &["foo"])
}
