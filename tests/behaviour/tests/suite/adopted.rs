//! Networks that existed before.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::Case;
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("a_network_reused_by_uuid_is_left_exactly_as_found", by_uuid),
    ("a_network_reused_by_name_is_left_exactly_as_found", by_name),
    ("a_reused_network_without_that_subnet_gets_one_that_goes_again", without_subnet),
    ("a_reused_network_needs_no_subnet_when_the_ipam_option_names_it", ipam_option),
    ("two_docker_networks_may_reuse_one_network", twice),
    ("a_reused_network_keeps_the_tags_of_others", foreign_tags),
    ("a_network_of_ours_does_not_touch_their_subnet_of_the_same_range", same_range),
    ("two_docker_networks_that_reuse_one_at_once_keep_each_others_tags", at_once),
];

/// A tenant's network with a subnet; their ids.
pub(crate) fn make_network(world: &World, name: &str, cidr: Option<&str>) -> Result<String> {
    let post =
        |path: &str, body: Value| world.cloud.api("POST", &format!("/networking/v2.0/{path}"), Some(body));
    let network = post("networks", json!({"network": {"name": name}}))?;
    let id = text(&network["network"], "id").to_owned();
    if let Some(cidr) = cidr {
        post(
            "subnets",
            json!({"subnet": {"name": "theirs", "network_id": id, "ip_version": 4, "cidr": cidr}}),
        )?;
    }
    Ok(id)
}

pub(crate) fn delete_network(world: &World, id: &str) -> Result<()> {
    world.drop_neighbours();
    world.cloud.api("DELETE", &format!("/networking/v2.0/networks/{id}"), None).map(drop)
}

fn tour(world: &World, id: &str, args: &[&str]) -> Result<()> {
    let before = world.inventory()?;
    world.create_network("reused", args)?;
    world.run("one", &["--network", "reused"])?;
    let address = world.address("one", "reused")?;
    let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}&network_id={id}"))?;
    ensure!(ports.len() == 1, "the container's port is not on the network: {ports:?}");
    world.ping("one", "10.30.0.1")?;
    world.remove("one")?;
    world.remove_network("reused")?;
    world.expect_clean(&before)
}

fn by_uuid(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    tour(world, &id, &["--subnet", "10.30.0.0/24", "--gateway", "10.30.0.1", "-o", &option])?;
    delete_network(world, &id)
}

fn by_name(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    tour(world, &id, &["--subnet", "10.30.0.0/24", "-o", "neutron.net.name=theirs"])?;
    delete_network(world, &id)
}

fn without_subnet(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", None)?;
    let option = format!("neutron.net.uuid={id}");
    tour(world, &id, &["--subnet", "10.30.0.0/24", "-o", &option])?;
    delete_network(world, &id)
}

fn ipam_option(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    tour(world, &id, &["--ipam-opt", &option, "-o", &option])?;
    delete_network(world, &id)
}

fn twice(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    for name in ["reused1", "reused2"] {
        world.create_network(name, &["--subnet", "10.30.0.0/24", "-o", &option])?;
    }
    world.run("one", &["--network", "reused1"])?;
    remove(world, &[], &["reused2"])?;
    world.ping("one", "10.30.0.1")?;
    world.run("two", &["--network", "reused1"])?;
    remove(world, &["one", "two"], &["reused1"])?;
    delete_network(world, &id)
}

fn foreign_tags(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let tags = format!("/networking/v2.0/networks/{id}/tags");
    world.cloud.api("PUT", &tags, Some(json!({"tags": ["colour:green"]})))?;
    let option = format!("neutron.net.uuid={id}");
    tour(world, &id, &["--subnet", "10.30.0.0/24", "-o", &option])?;
    delete_network(world, &id)
}

fn same_range(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let before = world.inventory()?;
    create(world, "ours", "10.30.0.0/24", "10.30.0.1")?;
    world.run("one", &["--network", "ours"])?;
    let address = world.address("one", "ours")?;
    let ports = list(world, "ports", &format!("fixed_ips=ip_address={address}&device_owner=compute:kuryr"))?;
    ensure!(ports.len() == 1 && text(&ports[0], "network_id") != id, "{ports:?}");
    world.ping("one", "10.30.0.1")?;
    remove(world, &["one"], &["ours"])?;
    world.expect_clean(&before)?;
    delete_network(world, &id)
}

fn at_once(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let before = world.inventory()?;
    let option = format!("neutron.net.uuid={id}");
    // Slow enough for each to read the tags before the other has written them.
    world.cloud.admin("POST", "options", Some(json!({"latency_ms": 100})))?;
    let both = |verb: &(dyn Fn(&str) -> Result<String> + Sync)| {
        std::thread::scope(|scope| {
            let runs = ["reused1", "reused2"].map(|name| scope.spawn(move || verb(name)));
            runs.into_iter()
                .try_for_each(|run| run.join().map_or_else(|_| anyhow::bail!("panic"), |r| r.map(drop)))
        })
    };
    let shared = &*world;
    let made = both(&|name| shared.create_network(name, &["--subnet", "10.30.0.0/24", "-o", &option]));
    let tags = list(world, "networks", &format!("id={id}"))?;
    let removed = made.and_then(|()| both(&|name| shared.docker(&["network", "rm", name])));
    world.cloud.admin("POST", "options", Some(json!({"latency_ms": 0})))?;
    removed?;
    let tags = tags.first().and_then(|n| n["tags"].as_array().map(Vec::len));
    ensure!(tags == Some(6), "{tags:?} tags of two Docker networks");
    world.expect_clean(&before)?;
    delete_network(world, &id)
}
