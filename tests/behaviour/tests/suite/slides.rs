//! The commands of the slides that started the project, word for word.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::{World, udp_closes, udp_opens};

use crate::Case;
use crate::adopted::{delete_network, make_network};
use crate::networks::{list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("the_slides_network_is_made_and_its_containers_have_ports", network),
    ("the_slides_address_outside_the_subnet_is_refused_in_one_line", slip),
    ("the_slides_exposed_range_is_open_to_strangers_while_the_container_runs", expose),
    ("the_slides_existing_network_and_unbound_port_are_used_and_given_back", reuse),
];

/// A slide's command line, without the leading `docker`.
fn typed(world: &World, line: &str) -> Result<String> {
    world.docker(&line.split_whitespace().collect::<Vec<_>>())
}

const CREATE: &str =
    "network create --driver=kuryr --ipam-driver=kuryr --subnet 10.10.0.0/16 --gateway 10.10.0.1 foo";

fn network(world: &mut World) -> Result<()> {
    let id = typed(world, CREATE)?;
    let (low, high) = id.split_at_checked(32).context("a Docker id has 64 digits")?;
    let tags = format!("tags=kuryr.net.uuid.lh:{low},kuryr.net.uuid.uh:{high}");
    let networks = list(world, "networks", &tags)?;
    ensure!(networks.len() == 1, "one network carries Docker's id in its tags: {networks:?}");
    let subnets = list(world, "subnets", &format!("network_id={}", text(&networks[0], "id")))?;
    ensure!(text(&subnets[0], "cidr") == "10.10.0.0/16" && text(&subnets[0], "gateway_ip") == "10.10.0.1");
    world.run("one", &["--net=foo"])?;
    world.run("two", &["--net=foo", "--ip=10.10.0.5"])?;
    let ports = list(world, "ports", "fixed_ips=ip_address=10.10.0.5&device_owner=compute:kuryr")?;
    ensure!(ports.len() == 1, "the address asked for is a port: {ports:?}");
    let mac = typed(world, "exec two cat /sys/class/net/eth0/address")?;
    ensure!(mac == text(&ports[0], "mac_address"), "the container has {mac}, its port {}", ports[0]);
    let mtu = typed(world, "exec two cat /sys/class/net/eth0/mtu")?;
    ensure!(
        networks[0]["mtu"].as_u64() == mtu.parse().ok(),
        "the network's MTU is {}, not {mtu}",
        networks[0]["mtu"]
    );
    let routes = typed(world, "exec two ip route")?;
    ensure!(routes.contains("default via 10.10.0.1"), "{routes}");
    world.ping("one", "10.10.0.5")?;
    remove(world, &["one", "two"], &["foo"])
}

fn slip(world: &mut World) -> Result<()> {
    typed(world, CREATE)?;
    let refused = world.docker_fails(&["run", "--net=foo", "--ip=10.0.0.5", "busybox", "true"])?;
    ensure!(
        refused.contains("10.0.0.5") || refused.contains("subnet"),
        "no word on what is wrong: {refused}"
    );
    for left in typed(world, "ps --all --quiet")?.lines() {
        world.remove(left)?;
    }
    remove(world, &[], &["foo"])
}

fn expose(world: &mut World) -> Result<()> {
    typed(world, CREATE)?;
    let one = world.run("one", &["--net=foo", "--expose=1234-1238/udp"])?;
    let address = world.address("one", "foo")?;
    // A stranger: on the network, but in none of the groups that let each other in.
    let stranger = world.run("two", &["--net=foo"])?;
    let port = list(world, "ports", &format!("fixed_ips=ip_address={}", world.address("two", "foo")?))?;
    let group = world.cloud.api(
        "POST",
        "/networking/v2.0/security-groups",
        Some(json!({"security_group": {"name": "strangers"}})),
    )?;
    let group = text(&group["security_group"], "id").to_owned();
    let path = format!("/networking/v2.0/ports/{}", text(&port[0], "id"));
    world.cloud.api("PUT", &path, Some(json!({"port": {"security_groups": [group]}})))?;
    for open in [1234, 1236, 1238] {
        ensure!(udp_opens(&stranger, &one, address, open)?, "{open}/udp is exposed but closed");
    }
    for closed in [1233, 1239] {
        ensure!(udp_closes(&stranger, &one, address, closed)?, "{closed}/udp is open");
    }
    remove(world, &["one", "two"], &["foo"])?;
    world.cloud.api("DELETE", &format!("/networking/v2.0/security-groups/{group}"), None).map(drop)
}

fn reuse(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.11.0.0/24"))?;
    let subnet = list(world, "subnets", &format!("network_id={id}"))?;
    let fixed = json!([{"subnet_id": text(&subnet[0], "id"), "ip_address": "10.11.0.77"}]);
    let port = json!({"port": {"network_id": id, "name": "mine", "fixed_ips": fixed}});
    let port = world.cloud.api("POST", "/networking/v2.0/ports", Some(port))?;
    let before = world.inventory()?;
    typed(
        world,
        &format!(
            "network create --driver=kuryr --ipam-driver=kuryr --subnet=10.11.0.0/24 --gateway 10.11.0.1 \
             -o neutron.net.uuid={id} reuse"
        ),
    )?;
    world.run("one", &["--net=reuse"])?;
    world.run("two", &["--net=reuse", "--ip=10.11.0.77"])?;
    let used = list(world, "ports", &format!("network_id={id}&fixed_ips=ip_address=10.11.0.77"))?;
    ensure!(used.len() == 1 && used[0]["id"] == port["port"]["id"], "a second port: {used:?}");
    let mac = typed(world, "exec two cat /sys/class/net/eth0/address")?;
    ensure!(mac == text(&used[0], "mac_address"), "the container has {mac}, its port {}", used[0]);
    world.ping("one", "10.11.0.77")?;
    remove(world, &["one", "two"], &["reuse"])?;
    world.expect_clean(&before)?;
    world.cloud.api("DELETE", &format!("/networking/v2.0/ports/{}", text(&port["port"], "id")), None)?;
    delete_network(world, &id)
}
