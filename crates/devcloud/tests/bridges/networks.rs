//! Networks next to each other.

use devcloud::datapath::NetworkDataPath;

use super::traffic::{arrives, pings};
use super::world::{NET, OTHER_NET, in_world, network, port, rule};

#[test]
fn two_networks_with_the_same_addresses_do_not_meet() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        world.bridges.network_up(&network(OTHER_NET)).await.unwrap();
        let all = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, all())).await;
        let b = world.run(port(11, NET, all())).await;
        let mut twin = port(0x20, OTHER_NET, all());
        twin.addresses = a.port.addresses.clone();
        let other_a = world.run(twin).await;
        let mut twin = port(0x21, OTHER_NET, vec![rule(false, false)]);
        twin.addresses = b.port.addresses.clone();
        let other_b = world.run(twin).await;
        let (from, to) = (a.udp((a.four(), 5000).into()), b.udp((b.four(), 6000).into()));
        assert!(arrives(&from, &to, true));
        assert!(arrives(&to, &from, true));
        let other_to = other_b.udp((other_b.four(), 6000).into());
        let other_from = other_a.udp((other_a.four(), 5000).into());
        assert!(!arrives(&from, &other_to, false), "another wire");
        assert!(!arrives(&other_from, &other_to, false), "its own rules, not the flow of its twin");
    });
}

#[test]
fn of_two_networks_with_the_same_range_the_gateway_of_the_older_answers_and_then_the_others() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        world.bridges.network_up(&network(OTHER_NET)).await.unwrap();
        let first = world.run(port(10, NET, vec![rule(false, false)])).await;
        let second = world.run(port(0x20, OTHER_NET, vec![rule(false, false)])).await;
        assert!(pings(&first.netns, [10, 5, 0, 1], true));
        world.bridges.port_down(&first.port.id).await.unwrap();
        world.bridges.network_down(NET).await.unwrap();
        assert!(pings(&second.netns, [10, 5, 0, 1], true));
    });
}
