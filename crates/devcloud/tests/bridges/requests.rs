//! What is asked twice, undone, or wrong.

use std::process::Command;

use devcloud::bridges::Bridges;
use devcloud::datapath::{NetworkDataPath, NetworkView, PortView};
use os::netns::{NetNs, run_in};

use super::world::{NET, default_group, in_world, ip, network, port};

fn nft_tables(netns: &NetNs) -> String {
    let output = run_in(netns, || Command::new("nft").args(["list", "tables"]).output()).unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn repeats_are_fine_and_closing_leaves_nothing() {
    in_world(|world| async move {
        let view = network(NET);
        ip(&world.netns, "link add brqcccccccc-00 type bridge");
        for _ in 0..2 {
            world.bridges.network_up(&view).await.unwrap();
            world.bridges.port_up(&port(10, NET, default_group(&[10]))).await.unwrap();
        }
        assert!(ip(&world.netns, "addr show brqaaaaaaaa-00").contains("10.5.0.1/24"));
        let moved = NetworkView { gateways: vec!["10.5.0.254/24".parse().unwrap()], mtu: 1400, ..view };
        world.bridges.network_up(&moved).await.unwrap();
        let seen = ip(&world.netns, "addr show brqaaaaaaaa-00");
        assert!(
            seen.contains("10.5.0.254/24") && seen.contains("mtu 1400") && !seen.contains("10.5.0.1/"),
            "{seen}"
        );
        for _ in 0..2 {
            world.bridges.port_down(&port(10, NET, vec![]).id).await.unwrap();
            world.bridges.network_down(NET).await.unwrap();
        }
        assert!(world.links.link("brqaaaaaaaa-00").await.unwrap().is_none());
        // Not ours, although it is named like one of ours.
        world.bridges.network_down("cccccccc-0000-4000-8000-000000000001").await.unwrap();
        assert!(world.links.link("brqcccccccc-00").await.unwrap().is_some());

        // A killed instance: dropped without closing.
        world.bridges.network_up(&moved).await.unwrap();
        world.bridges.port_up(&port(10, NET, vec![])).await.unwrap();
        drop(world.bridges);
        let again = Bridges::open(world.links.clone(), "test").await.unwrap();
        assert!(world.links.link("brqaaaaaaaa-00").await.unwrap().is_none());
        again.network_up(&moved).await.unwrap();
        again.port_up(&port(10, NET, vec![])).await.unwrap();
        again.close().await.unwrap();
        assert!(world.links.link("brqaaaaaaaa-00").await.unwrap().is_none());
        assert_eq!(nft_tables(&world.netns), "");
        assert!(world.links.link("brqcccccccc-00").await.unwrap().is_some());
    });
}

#[test]
fn bad_input_is_refused_in_words() {
    in_world(|world| async move {
        assert!(Bridges::open(world.links.clone(), "a b").await.is_err());
        let bad = PortView { id: "tap\" }".into(), ..port(10, NET, vec![]) };
        assert!(world.bridges.port_up(&bad).await.unwrap_err().to_string().contains("not a UUID"));
        let bad = PortView { mac: "zz".into(), ..port(10, NET, vec![]) };
        assert!(world.bridges.port_up(&bad).await.unwrap_err().to_string().contains("hardware address"));
        world.bridges.network_up(&network(NET)).await.unwrap();
        let twin = NetworkView { id: format!("{}9", &NET[..35]), ..network(NET) };
        assert!(world.bridges.network_up(&twin).await.unwrap_err().to_string().contains("share device"));
    });
}
