//! Containers in a virtual machine whose addresses stand in the pairs of the machine's port: links of kind macvlan, with
//! hardware addresses of their own, behind the machine's one.

use std::os::fd::AsRawFd;

use devcloud::datapath::{NetworkDataPath, PortView, RuleView};
use os::netns::NetNs;

use super::traffic::{arrives, pings, reaches};
use super::world::{Container, NET, World, default_group, in_world, ip, network, port, rule};

fn everything() -> Vec<RuleView> {
    vec![rule(false, false), rule(false, true), rule(true, false), rule(true, true)]
}

/// A container on the link of a virtual machine, as the plugin in the machine would make it.
fn nest(vm: &Container, number: u8) -> Container {
    let port = port(number, NET, vec![]);
    let netns = NetNs::new_unshared().unwrap();
    let name = format!("c{number}");
    ip(&vm.netns, &format!("link add {name} link eth0 address {} type macvlan mode bridge", port.mac));
    let fd = NetNs::fd(&netns).as_raw_fd();
    ip(&vm.netns, &format!("link set {name} netns /proc/{}/fd/{fd} name eth0", std::process::id()));
    ip(&netns, "link set eth0 up");
    ip(&netns, &format!("addr add 10.5.0.{number}/24 dev eth0"));
    ip(&netns, &format!("addr add fd05::{number}/64 dev eth0 nodad"));
    Container { port, netns, tap: String::new() }
}

/// What the port of the machine says of a container: both of its addresses with its hardware address.
fn pairs(container: &Container) -> Vec<(String, ipnet::IpNet)> {
    container.port.addresses.iter().map(|address| (container.port.mac.clone(), (*address).into())).collect()
}

async fn pair(world: &World, vm: &Container, containers: &[&Container]) -> PortView {
    let pairs = containers.iter().flat_map(|container| pairs(container)).collect();
    let paired = PortView { pairs, ..vm.port.clone() };
    world.bridges.port_up(&paired).await.unwrap();
    paired
}

#[test]
fn a_container_behind_a_machine_is_on_the_network_while_the_machines_port_has_its_pair() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let vm = world.run(port(10, NET, everything())).await;
        let other = world.run(port(11, NET, everything())).await;
        let container = nest(&vm, 80);
        for six in [false, true] {
            assert!(reaches(&vm, &other, six, 7000, true), "the machine itself, ipv6: {six}");
            assert!(!reaches(&container, &other, six, 7000, false), "no pair yet, ipv6: {six}");
            assert!(!reaches(&other, &container, six, 7000, false), "no pair yet, ipv6: {six}");
        }
        pair(&world, &vm, &[&container]).await;
        for six in [false, true] {
            assert!(reaches(&container, &other, six, 7001, true), "ipv6: {six}");
            assert!(reaches(&other, &container, six, 7001, true), "ipv6: {six}");
            assert!(reaches(&vm, &other, six, 7001, true), "the machine itself, ipv6: {six}");
        }
        assert!(pings(&container.netns, [10, 5, 0, 1], true), "the gateway");
        // The next one comes while the first one talks, and goes before it.
        let second = nest(&vm, 81);
        pair(&world, &vm, &[&container, &second]).await;
        assert!(reaches(&second, &other, false, 7002, true));
        assert!(reaches(&container, &other, false, 7002, true));
        pair(&world, &vm, &[&container]).await;
        assert!(!reaches(&second, &other, false, 7003, false));
        assert!(!reaches(&other, &second, false, 7003, false));
        assert!(reaches(&container, &other, false, 7003, true));
        world.bridges.port_up(&vm.port).await.unwrap();
        assert!(!reaches(&container, &other, false, 7004, false));
        assert!(!reaches(&other, &container, false, 7004, false));
        assert!(reaches(&vm, &other, false, 7004, true));
    });
}

#[test]
fn a_container_behind_a_machine_cannot_pose_as_its_neighbour_or_the_machine() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let vm = world.run(port(10, NET, everything())).await;
        let other = world.run(port(11, NET, everything())).await;
        let (first, second) = (nest(&vm, 80), nest(&vm, 81));
        pair(&world, &vm, &[&first, &second]).await;
        let to = other.udp((other.four(), 7000).into());
        // The addresses are allowed on this port, but with other hardware addresses.
        for foreign in ["10.5.0.81", "10.5.0.10"] {
            ip(&first.netns, &format!("addr add {foreign}/24 dev eth0"));
            ip(&first.netns, "neigh replace 10.5.0.11 lladdr fa:16:3e:00:00:0b dev eth0");
            assert!(!arrives(&first.udp(format!("{foreign}:0").parse().unwrap()), &to, false), "{foreign}");
        }
        assert!(arrives(&first.udp((first.four(), 0).into()), &to, true));
        // Nor does a range of the machine's own hardware address speak for them, or for anybody outside of it.
        let range = vec![(vm.port.mac.clone(), "10.5.0.80/30".parse().unwrap())];
        world.bridges.port_up(&PortView { pairs: range, ..vm.port.clone() }).await.unwrap();
        assert!(!arrives(&first.udp((first.four(), 0).into()), &to, false));
        for (address, inside) in [("10.5.0.82", true), ("10.5.0.84", false)] {
            ip(&vm.netns, &format!("addr add {address}/24 dev eth0"));
            ip(&vm.netns, "neigh replace 10.5.0.11 lladdr fa:16:3e:00:00:0b dev eth0");
            let sent = arrives(&vm.udp(format!("{address}:0").parse().unwrap()), &to, inside);
            assert_eq!(sent, inside, "{address}");
        }
    });
}

#[test]
fn the_groups_of_the_machines_port_hold_for_the_containers_behind_it() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        // The group's members are the machine and the container, both by the machine's port.
        let vm = world.run(port(10, NET, default_group(&[10, 80]))).await;
        let member = world.run(port(11, NET, default_group(&[10, 11, 80]))).await;
        let stranger = world.run(port(12, NET, everything())).await;
        let container = nest(&vm, 80);
        pair(&world, &vm, &[&container]).await;
        assert!(reaches(&container, &member, false, 7000, true), "a member by its pair");
        assert!(!reaches(&stranger, &container, false, 7000, false));
        // What the container started comes back, all the same.
        let asking = container.udp((container.four(), 5000).into());
        let answering = stranger.udp((stranger.four(), 7000).into());
        assert!(!arrives(&answering, &asking, false), "nothing was asked yet");
        assert!(arrives(&asking, &answering, true));
        assert!(arrives(&answering, &asking, true));
        // What the user opens on the machine's port is open for its containers.
        let web = RuleView { protocol: Some("udp".into()), ports: Some((7000, 7000)), ..rule(true, false) };
        let mut opened = pair(&world, &vm, &[&container]).await;
        opened.rules.push(web);
        world.bridges.port_up(&opened).await.unwrap();
        assert!(reaches(&stranger, &container, false, 7000, true));
        assert!(!reaches(&stranger, &container, false, 7001, false));
    });
}
