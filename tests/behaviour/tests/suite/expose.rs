//! `--expose` as security groups.

use anyhow::{Result, ensure};
use testkit::{World, tcp_closes, tcp_opens, udp_closes, udp_opens};

use crate::Case;
use crate::networks::{create, list, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("exposed_udp_ports_are_open_and_others_are_not", udp_range),
    ("exposed_ports_close_when_the_container_stops", closes),
    ("containers_with_the_same_exposed_ports_share_a_group", shared),
    ("without_expose_nothing_from_outside_comes_in", nothing),
    ("a_published_port_is_open", published),
    ("ranges_of_tcp_and_udp_are_opened_apart_and_closed_again", mixed),
];

fn udp_range(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let inside = world.run("one", &["--network", "foo", "--expose", "1234-1238/udp"])?;
    let address = world.address("one", "foo")?;
    // A stranger is in nobody's security group, so only the exposed ports let it in.
    let outside = world.stranger("one", "foo")?;
    ensure!(udp_opens(&outside, &inside, address, 1236)?, "1236 is exposed but closed");
    ensure!(udp_opens(&outside, &inside, address, 1234)?, "1234 is exposed but closed");
    ensure!(udp_closes(&outside, &inside, address, 1300)?, "1300 is open");
    ensure!(udp_closes(&outside, &inside, address, 1239)?, "1239 is open");
    remove(world, &["one"], &["foo"])
}

fn closes(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let groups = list(world, "security-groups", "")?.len();
    world.run("one", &["--network", "foo", "--expose", "80/tcp", "--expose", "53/udp"])?;
    ensure!(list(world, "security-groups", "")?.len() == groups + 1, "no group for the exposed ports");
    world.remove("one")?;
    ensure!(list(world, "security-groups", "")?.len() == groups, "the group outlived its container");
    remove(world, &[], &["foo"])
}

fn shared(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let groups = list(world, "security-groups", "")?.len();
    let one = world.run("one", &["--network", "foo", "--expose", "1234/udp"])?;
    world.run("two", &["--network", "foo", "--expose", "1234/udp"])?;
    ensure!(list(world, "security-groups", "")?.len() == groups + 1, "one group each");
    world.remove("two")?;
    let address = world.address("one", "foo")?;
    ensure!(udp_opens(&world.stranger("one", "foo")?, &one, address, 1234)?, "the other's end closed it");
    remove(world, &["one"], &["foo"])
}

fn nothing(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let inside = world.run("one", &["--network", "foo"])?;
    let address = world.address("one", "foo")?;
    let two = world.run("two", &["--network", "foo"])?;
    ensure!(udp_opens(&two, &inside, address, 1236)?, "the default group lets its members in");
    let stranger = world.stranger("one", "foo")?;
    // It is there: what it sends is refused, not lost.
    world.ping("one", "10.20.0.1")?;
    ensure!(udp_closes(&stranger, &inside, address, 1236)?, "open to strangers");
    remove(world, &["one", "two"], &["foo"])
}

/// The ingress rules for ports, as protocol, first and last.
fn openings(world: &World) -> Result<Vec<(String, u64, u64)>> {
    let port = |rule: &serde_json::Value, key: &str| rule.get(key).and_then(serde_json::Value::as_u64);
    let mut found: Vec<_> = list(world, "security-group-rules", "direction=ingress&ethertype=IPv4")?
        .iter()
        .filter_map(|rule| {
            let ends = (port(rule, "port_range_min")?, port(rule, "port_range_max")?);
            Some((text(rule, "protocol").to_owned(), ends.0, ends.1))
        })
        .collect();
    found.sort();
    Ok(found)
}

fn published(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let before = openings(world)?;
    let inside = world.run("one", &["--network", "foo", "-p", "8080:80"])?;
    let address = world.address("one", "foo")?;
    let mut expected = before.clone();
    expected.push(("tcp".to_owned(), 80, 80));
    expected.sort();
    ensure!(openings(world)? == expected, "{:?}", openings(world)?);
    let outside = world.stranger("one", "foo")?;
    ensure!(tcp_opens(&outside, &inside, address, 80)?, "80 is published but closed");
    ensure!(tcp_closes(&outside, &inside, address, 8080)?, "8080 is the host's port, not the container's");
    remove(world, &["one"], &["foo"])?;
    ensure!(openings(world)? == before, "still open: {:?}", openings(world)?);
    Ok(())
}

fn mixed(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let before = openings(world)?;
    let expose = ["--expose", "80", "--expose", "5000-5002/udp", "--expose", "5001-5003/tcp"];
    let inside = world.run("one", &[&["--network", "foo"][..], &expose, &["--expose", "53/udp"]].concat())?;
    let mut expected = before.clone();
    for (protocol, first, last) in
        [("tcp", 80, 80), ("tcp", 5001, 5003), ("udp", 53, 53), ("udp", 5000, 5002)]
    {
        expected.push((protocol.to_owned(), first, last));
    }
    expected.sort();
    ensure!(openings(world)? == expected, "{:?}", openings(world)?);
    let address = world.address("one", "foo")?;
    let outside = world.stranger("one", "foo")?;
    ensure!(udp_opens(&outside, &inside, address, 5000)?, "udp 5000 is exposed but closed");
    ensure!(udp_opens(&outside, &inside, address, 53)?, "udp 53 is exposed but closed");
    ensure!(udp_closes(&outside, &inside, address, 5003)?, "5003 is open for udp, exposed for tcp");
    remove(world, &["one"], &["foo"])?;
    ensure!(openings(world)? == before, "still open: {:?}", openings(world)?);
    Ok(())
}
