//! `--expose` as security groups.

use anyhow::{Result, ensure};
use testkit::{World, udp_reaches};

use crate::Case;
use crate::networks::{create, list, remove};

pub(crate) const CASES: &[Case] = &[
    ("exposed_udp_ports_are_open_and_others_are_not", udp_range),
    ("exposed_ports_close_when_the_container_stops", closes),
    ("containers_with_the_same_exposed_ports_share_a_group", shared),
    ("without_expose_nothing_from_outside_comes_in", nothing),
];

fn udp_range(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let inside = world.run("one", &["--network", "foo", "--expose", "1234-1238/udp"])?;
    let address = world.address("one", "foo")?;
    // The host's end of the bridge is in nobody's security group, so only the exposed ports let it in.
    let outside = world.outside();
    ensure!(udp_reaches(&outside, &inside, address, 1236)?, "1236 is exposed but closed");
    ensure!(udp_reaches(&outside, &inside, address, 1234)?, "1234 is exposed but closed");
    ensure!(!udp_reaches(&outside, &inside, address, 1300)?, "1300 is open");
    ensure!(!udp_reaches(&outside, &inside, address, 1239)?, "1239 is open");
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
    ensure!(udp_reaches(&world.outside(), &one, address, 1234)?, "the other's end closed it");
    remove(world, &["one"], &["foo"])
}

fn nothing(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let inside = world.run("one", &["--network", "foo"])?;
    let address = world.address("one", "foo")?;
    ensure!(!udp_reaches(&world.outside(), &inside, address, 1236)?, "open to strangers");
    let two = world.run("two", &["--network", "foo"])?;
    ensure!(udp_reaches(&two, &inside, address, 1236)?, "the default group lets its members in");
    remove(world, &["one", "two"], &["foo"])
}
