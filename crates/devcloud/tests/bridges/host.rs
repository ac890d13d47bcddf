//! Networks and the host they are on: gateways, the host's addresses, its own packet filter.

use std::process::Command;

use devcloud::datapath::{NetworkDataPath, RuleView};
use os::netns::run_in;

use super::traffic::{arrives, pings, reaches, udp};
use super::world::{NET, default_group, in_world, ip, network, port, rule};

#[test]
fn the_gateway_answers_and_the_host_is_filtered() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        ip(&world.netns, "link set lo up");
        ip(&world.netns, "addr add 10.66.0.1/32 dev lo");
        let a = world.run(port(10, NET, default_group(&[10]))).await;
        ip(&a.netns, "route add default via 10.5.0.1");
        assert!(pings(&a.netns, [10, 5, 0, 1], true));
        assert!(!pings(&a.netns, [10, 66, 0, 1], false), "the host's other addresses are not the network's");
        let inside = a.udp((a.four(), 7000).into());
        let host = udp(&world.netns, "10.5.0.1:9000".parse().unwrap());
        assert!(!arrives(&host, &inside, false), "the host is no member of the group");
        assert!(arrives(&inside, &host, true));
        assert!(arrives(&host, &inside, true), "the answer comes back");
        let mut open = a.port.clone();
        open.rules.push(RuleView { peers: Some(vec!["10.5.0.1/32".parse().unwrap()]), ..rule(true, false) });
        world.bridges.port_up(&open).await.unwrap();
        assert!(pings(&world.netns, [10, 5, 0, 10], true));
    });
}

#[test]
fn rules_of_the_host_can_be_bypassed_where_the_namespace_is_ours() {
    in_world(|world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let all = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, all())).await;
        let b = world.run(port(11, NET, all())).await;
        // What Docker does to forwarded packets.
        for script in
            ["add table ip host", "add chain ip host c { type filter hook forward priority 0; policy drop; }"]
        {
            let status = run_in(&world.netns, || Command::new("nft").arg(script).status()).unwrap().unwrap();
            assert!(status.success());
        }
        world.bridges.bypass_host_rules().unwrap();
        assert!(reaches(&a, &b, false, 7000, true));
    });
}
