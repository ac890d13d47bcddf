//! Links that vanish between being looked up and being changed.

use host_net::Error;
use ipnet::IpNet;

use crate::namespace::{in_fresh_namespace, pair};

#[test]
fn a_link_that_vanishes_under_an_operation_is_absent_and_named() {
    in_fresh_namespace(|links, _| async move {
        let address: IpNet = "10.5.0.1/24".parse().unwrap();
        for operation in 0..8 {
            links.ensure_bridge("brq0", None).await.unwrap();
            links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
            let change = async {
                match operation {
                    0 => links.set_mtu("tap0", 1300).await,
                    1 => links.set_up("tap0", false).await,
                    2 => links.set_mac("tap0", [2, 0, 0, 0, 0, 9]).await,
                    3 => links.set_alias("tap0", "ours").await,
                    4 => links.set_master("tap0", Some("brq0")).await,
                    5 => links.add_address("tap0", address).await,
                    6 => links.set_tx_checksum_offload("tap0", false).await,
                    _ => links.ensure_veth(&pair("tap0", "t_c0")).await,
                }
            };
            // Both look first; the deletion is sent first, so the change finds nothing any more.
            let (deleted, changed) = tokio::join!(links.delete_link("tap0"), change);
            deleted.unwrap();
            let error = changed.unwrap_err();
            assert!(matches!(&error, Error::Absent { link, .. } if link == "tap0"), "{operation}: {error}");
        }
    });
}

#[test]
fn a_bridge_that_vanishes_under_an_operation_is_absent_and_named() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_bridge("brq0", None).await.unwrap();
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        // One look-up later than the deletion's, so that the bridge is still there when it is looked up.
        let delete = async {
            links.link("tap0").await.unwrap();
            links.delete_bridge("brq0").await
        };
        let (deleted, enslaved) = tokio::join!(delete, links.set_master("tap0", Some("brq0")));
        deleted.unwrap();
        let error = enslaved.unwrap_err();
        assert!(matches!(&error, Error::Absent { link, .. } if link == "brq0"), "{error}");
    });
}

#[test]
fn deletions_that_race_are_all_successes() {
    in_fresh_namespace(|links, _| async move {
        for _ in 0..10 {
            links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
            let outcomes = tokio::join!(
                links.delete_veth("tap0"),
                links.delete_veth("t_c0"),
                links.delete_link("tap0"),
                links.remove_address("tap0", "10.5.0.1/24".parse().unwrap()),
            );
            assert!(matches!(outcomes, (Ok(()), Ok(()), Ok(()), Ok(()))), "{outcomes:?}");
        }
    });
}
