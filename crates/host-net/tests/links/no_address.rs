//! Ports have their addresses in containers only; the host never has one, not even for a moment.

use std::time::Duration;

use futures_util::StreamExt;
use host_net::{MacvlanMode, SubLinkKind};
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;

use crate::namespace::{in_fresh_namespace, ip, on_eth0, pair, virtual_machine};

#[test]
fn no_address_ever_exists_in_the_hosts_namespace() {
    in_fresh_namespace(|links, _| async move {
        let groups = [MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (connection, _handle, mut news) = rtnetlink::new_multicast_connection(&groups).unwrap();
        tokio::spawn(connection);

        links.ensure_bridge("brq0", Some(1442)).await.unwrap();
        for number in 0..10 {
            let (host, peer) = (format!("tap{number}"), format!("t_c{number}"));
            if number % 2 == 0 {
                // As after a kill right behind the creation.
                ip(&format!("link add {host} type veth peer name {peer}"));
            }
            links.ensure_veth(&pair(&host, &peer)).await.unwrap();
            links.set_master(&host, Some("brq0")).await.unwrap();
            links.set_up(&peer, true).await.unwrap();
        }
        virtual_machine();
        for number in 0..10 {
            let name = format!("mac{number}");
            if number % 2 == 0 {
                ip(&format!("link add link eth0 name {name} type macvlan mode bridge"));
            }
            let kind = SubLinkKind::Macvlan { mode: MacvlanMode::Bridge };
            links.ensure_sub_link(&on_eth0(&name, kind)).await.unwrap();
            // Whatever the parent does, and even if somebody raises it here.
            ip("link set eth0 down");
            ip("link set eth0 up");
            assert!(!links.link(&name).await.unwrap().unwrap().up);
            links.set_up(&name, true).await.unwrap();
        }
        // A pair made without care gets its link-local addresses after about a second. They are awaited, which
        // shows that addresses are noticed and gives those above the same time.
        ip("link add careless0 type veth peer name careless1");
        ip("link set careless0 up");
        ip("link set careless1 up");
        let careless: Vec<u32> = [
            links.link("careless0").await.unwrap().unwrap().index,
            links.link("careless1").await.unwrap().unwrap().index,
        ]
        .into();
        let mut seen = Vec::new();
        while seen.len() < careless.len() {
            let message = tokio::time::timeout(Duration::from_secs(10), news.next()).await.unwrap().unwrap();
            if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) = message.0.payload
            {
                assert!(careless.contains(&address.header.index), "{address:?}");
                seen.push(address.header.index);
            }
        }
        assert_eq!(ip("-o addr show").lines().filter(|line| !line.contains("careless")).count(), 0);
    });
}
