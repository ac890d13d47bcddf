//! What a killed instance leaves to the next one.

use devcloud::bridges::Bridges;
use devcloud::datapath::NetworkDataPath;

use super::traffic::reaches;
use super::world::{NET, OTHER_NET, in_world, network, port, rule};

#[test]
fn ports_of_a_killed_instance_are_shut_out_until_their_rules_are_known_again() {
    in_world(|mut world| async move {
        world.bridges.network_up(&network(NET)).await.unwrap();
        let all = || vec![rule(false, false), rule(true, false)];
        let a = world.run(port(10, NET, all())).await;
        let b = world.run(port(11, NET, all())).await;
        assert!(reaches(&a, &b, false, 7000, true));
        world.bridges = Bridges::open(world.links.clone(), "test").await.unwrap();
        assert!(!reaches(&a, &b, false, 7001, false));
        world.bridges.network_up(&network(NET)).await.unwrap();
        assert!(!reaches(&a, &b, false, 7002, false));
        world.bridges.port_up(&a.port).await.unwrap();
        assert!(!reaches(&a, &b, false, 7003, false));
        world.bridges.port_up(&b.port).await.unwrap();
        assert!(reaches(&a, &b, false, 7004, true));
    });
}

#[test]
fn networks_of_a_killed_instance_that_nobody_tells_go_even_with_devices_in_them() {
    in_world(|mut world| async move {
        for id in [NET, OTHER_NET] {
            world.bridges.network_up(&network(id)).await.unwrap();
        }
        let (kept, lost) = (port(10, NET, vec![]), port(0x20, OTHER_NET, vec![]));
        let (kept, lost) = (world.run(kept).await, world.run(lost).await);
        world.bridges = Bridges::open(world.links.clone(), "test").await.unwrap();
        world.bridges.network_up(&network(NET)).await.unwrap();
        world.bridges.port_up(&kept.port).await.unwrap();
        world.bridges.all_told().await.unwrap();
        assert!(world.links.link("brqbbbbbbbb-00").await.unwrap().is_none());
        assert_eq!(world.links.link(&lost.tap).await.unwrap().unwrap().master, None, "its driver's");
        let bridge = world.links.link("brqaaaaaaaa-00").await.unwrap().unwrap();
        assert_eq!(world.links.link(&kept.tap).await.unwrap().unwrap().master, Some(bridge.index));
    });
}
