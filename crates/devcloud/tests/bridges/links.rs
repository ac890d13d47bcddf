//! What is told about devices.

use devcloud::datapath::NetworkDataPath;

use super::traffic::PATIENCE;
use super::world::{NET, in_world, ip, network, port};

#[test]
fn link_events_follow_the_device_and_not_its_other_end() {
    in_world(|world| async move {
        let mut events = world.bridges.link_events();
        world.bridges.network_up(&network(NET)).await.unwrap();
        let mut wanted = port(10, NET, vec![]);
        wanted.vif_type = "bridge".into();
        world.bridges.port_up(&wanted).await.unwrap();
        let container = world.plug(wanted).await;
        let mut next = async || tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        let prefix = container.port.id[..11].to_owned();
        assert_eq!(next().await, (prefix.clone(), true));
        assert_eq!(
            world.links.link(&container.tap).await.unwrap().unwrap().master,
            None,
            "its driver's task"
        );
        // A container that has not started yet, or whose interface is down, is no business of an agent.
        ip(&container.netns, "link set eth0 down");
        ip(&world.netns, &format!("link set {} down", container.tap));
        assert_eq!(next().await, (prefix.clone(), false));
        ip(&world.netns, &format!("link set {} up", container.tap));
        assert_eq!(next().await, (prefix.clone(), true));
        world.links.delete_veth(&container.tap).await.unwrap();
        assert_eq!(next().await, (prefix, false));
    });
}

#[test]
fn the_devices_that_are_up_are_those_of_ports() {
    in_world(|world| async move {
        let a = world.plug(port(10, NET, vec![])).await;
        let b = world.plug(port(11, NET, vec![])).await;
        ip(&world.netns, "link add tap0 type veth peer name other");
        for name in ["tap0", "other"] {
            ip(&world.netns, &format!("link set {name} up"));
        }
        ip(&a.netns, "link set eth0 down");
        ip(&world.netns, &format!("link set {} down", b.tap));
        let up: Vec<_> = world.bridges.links_up().await.unwrap().into_iter().collect();
        assert_eq!(up, [a.port.id[..11].to_owned()]);
    });
}
