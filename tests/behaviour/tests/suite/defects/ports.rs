//! Defects around ports that exist already, and around what is written to ports.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::{Fault, World};

use super::{asked, change, port_at, requests, requests_to, run_fails, show};
use crate::Case;
use crate::addresses::{delete_port, make_port, network_of};
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("b05_an_address_of_another_container_is_refused_and_its_port_survives", others_address),
    ("b06_an_adopted_port_is_given_back_with_its_mac_owner_and_state", given_back),
    ("b18_a_release_lists_nothing", no_lists),
    ("b19_an_absent_mac_is_no_filter", absent_mac),
    ("b28_a_port_changed_meanwhile_is_not_overwritten", changed_meanwhile),
    ("b34_a_port_is_named_after_its_endpoint_or_container", named),
    ("b35_the_mac_is_in_the_request_that_makes_the_port", mac_at_once),
    ("b37_asking_for_an_endpoints_state_costs_no_call", no_call),
];

fn others_address(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo", "--ip", "10.20.0.55"])?;
    let network = network_of(world, "10.20.0.0/24")?;
    let dhcp = list(world, "ports", &format!("network_id={network}&device_owner=network:dhcp"))?;
    let router =
        make_port(world, &network, "10.20.0.60", json!({"device_owner": "network:router_interface"}))?;
    let server = make_port(
        world,
        &network,
        "10.20.0.61",
        json!({"device_owner": "compute:nova", "device_id": "0c9a3f0e-3b7b-4a3e-9a39-0b6f5f1f4b11"}),
    )?;
    let mut taken = vec![port_at(world, "10.20.0.55")?, router, server];
    taken.extend(dhcp);
    for port in &taken {
        let (id, address) = (text(port, "id"), text(&port["fixed_ips"][0], "ip_address"));
        let before = show(world, "ports", id)?;
        let error = run_fails(world, "two", &["--network", "foo", "--ip", address])?;
        ensure!(error.contains(address), "{error}");
        world.remove("two")?;
        let after = show(world, "ports", id)?;
        ensure!(before == after, "the port was changed:\n{before}\n{after}");
    }
    world.ping("one", "10.20.0.1")?;
    for port in &taken[1..3] {
        delete_port(world, text(port, "id"))?;
    }
    remove(world, &["one"], &["foo"])
}

fn given_back(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let extra = json!({"admin_state_up": false, "mac_address": "fa:16:3e:99:00:01"});
    let id = text(&make_port(world, &network, "10.20.0.99", extra)?, "id").to_owned();
    let before = show(world, "ports", &id)?;
    for more in [&["--mac-address", "02:42:0a:14:00:63"][..], &[]] {
        world.run("one", &[&["--network", "foo", "--ip", "10.20.0.99"], more].concat())?;
        let used = port_at(world, "10.20.0.99")?;
        ensure!(text(&used, "id") == id && used["admin_state_up"] == true, "{used}");
        let link = world.docker(&["exec", "one", "ip", "link", "show", "eth0"])?;
        ensure!(link.contains(text(&used, "mac_address")), "the port has {used}, the container {link}");
        world.ping("one", "10.20.0.1")?;
        world.remove("one")?;
        let after = show(world, "ports", &id)?;
        ensure!(before == after, "not given back as found:\n{before}\n{after}");
    }
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn no_lists(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let port = text(&port_at(world, &world.address("one", "foo")?.to_string())?, "id").to_owned();
    world.cloud.clear_log()?;
    world.remove("one")?;
    let calls = requests(world)?;
    let only =
        calls.len() == 1 && text(&calls[0], "method") == "DELETE" && text(&calls[0], "path").ends_with(&port);
    ensure!(only, "{calls:?}");
    remove(world, &[], &["foo"])
}

fn absent_mac(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    // A port anybody's filter without a value would match.
    let id = text(&make_port(world, &network, "10.20.0.99", json!({}))?, "id").to_owned();
    let before = show(world, "ports", &id)?;
    let pool = asked(
        world,
        "IpamDriver.RequestPool",
        &json!({"AddressSpace": "", "Pool": "10.21.0.0/24", "SubPool": "", "Options": {}, "V6": false}),
    )?;
    world.cloud.clear_log()?;
    for options in [json!(null), json!({}), json!({"com.docker.network.endpoint.macaddress": ""})] {
        world.run("one", &["--network", "foo"])?;
        let wanted = json!({"PoolID": pool["PoolID"], "Address": "", "Options": options});
        // The pool has no network yet: an answer or a refusal, but nobody's port.
        let _ = super::ask(world, "IpamDriver.RequestAddress", &wanted)?;
        world.remove("one")?;
    }
    for call in requests(world)? {
        let query = text(&call, "query");
        ensure!(
            !query.contains("None") && !query.contains("mac_address=&") && !query.ends_with("mac_address="),
            "{call}"
        );
    }
    asked(world, "IpamDriver.ReleasePool", &json!({"PoolID": pool["PoolID"]}))?;
    ensure!(show(world, "ports", &id)? == before, "somebody's port was taken");
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn changed_meanwhile(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let network = network_of(world, "10.20.0.0/24")?;
    let id = text(&make_port(world, &network, "10.20.0.99", json!({}))?, "id").to_owned();
    let hold = Fault::next("PUT", "/networking/v2.0/ports/*", json!({"hold": "before"}));
    world.cloud.fault(&hold)?;
    let pairs = json!([{"ip_address": "10.20.0.200"}]);
    let error = std::thread::scope(|scope| {
        let shared = &*world;
        let run = scope.spawn(move || run_fails(shared, "one", &["--network", "foo", "--ip", "10.20.0.99"]));
        let held = world.cloud.wait_for_hold()?;
        change(world, "ports", "port", &id, json!({"allowed_address_pairs": pairs, "device_id": "theirs"}))?;
        world.cloud.admin("POST", &format!("holds/{held}/release"), None)?;
        run.join().map_err(|_| anyhow::anyhow!("panic"))?
    })?;
    ensure!(error.contains("10.20.0.99"), "{error}");
    let left = show(world, "ports", &id)?;
    ensure!(left["allowed_address_pairs"][0]["ip_address"] == "10.20.0.200", "{left}");
    ensure!(text(&left, "device_id") == "theirs" && left["tags"] == json!([]), "{left}");
    world.remove("one")?;
    delete_port(world, &id)?;
    remove(world, &[], &["foo"])
}

fn named(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let port = port_at(world, &world.address("one", "foo")?.to_string())?;
    let format = "{{(index .NetworkSettings.Networks \"foo\").EndpointID}}";
    let endpoint = world.docker(&["inspect", "--format", format, "one"])?;
    let name = text(&port, "name");
    ensure!(name == format!("{endpoint}-port") || name == "one", "{name}");
    remove(world, &["one"], &["foo"])
}

fn mac_at_once(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let mac = "02:0a:0b:0c:0d:0e";
    world.cloud.clear_log()?;
    world.run("one", &["--network", "foo", "--mac-address", mac])?;
    let posts = requests_to(world, "POST", "/ports")?;
    ensure!(posts.len() == 1, "{posts:?}");
    let body = &posts[0]["body"];
    let made = if body["ports"].is_array() { &body["ports"][0] } else { &body["port"] };
    let changes = requests(world)?.into_iter().filter(|c| text(c, "method") == "PUT");
    let changed: Vec<Value> = changes.filter(|c| c["body"]["port"].get("mac_address").is_some()).collect();
    ensure!(changed.is_empty(), "the MAC was changed after the port was made: {changed:?}");
    ensure!(text(made, "mac_address") == mac, "{posts:?}");
    ensure!(text(&port_at(world, &world.address("one", "foo")?.to_string())?, "mac_address") == mac);
    remove(world, &["one"], &["foo"])
}

fn no_call(world: &mut World) -> Result<()> {
    let network = create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    let format = "{{(index .NetworkSettings.Networks \"foo\").EndpointID}}";
    let endpoint = world.docker(&["inspect", "--format", format, "one"])?;
    // The start's own last call may still be under way.
    std::thread::sleep(std::time::Duration::from_secs(2));
    world.cloud.clear_log()?;
    let body = json!({"NetworkID": network, "EndpointID": endpoint});
    for _ in 0..5 {
        let answer = asked(world, "NetworkDriver.EndpointOperInfo", &body)?;
        ensure!(answer["Value"].is_object(), "{answer}");
        world.docker(&["inspect", "one"])?;
        world.docker(&["network", "inspect", "foo"])?;
    }
    let calls = requests(world)?;
    ensure!(calls.is_empty(), "{calls:?}");
    remove(world, &["one"], &["foo"])
}
