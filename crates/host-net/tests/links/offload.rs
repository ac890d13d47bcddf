//! Checksum offload of real links.

use std::os::fd::AsRawFd;

use host_net::{Error, Links};
use os::ethtool::{Offload, offload};
use os::netns::{NetNs, run_in};

use crate::namespace::{in_fresh_namespace, ip, pair};

fn read(link: &str, which: Offload) -> bool {
    offload(std::net::UdpSocket::bind("[::]:0").unwrap(), link, which).unwrap()
}

#[test]
fn checksum_offload_of_one_end_is_switched_with_all_that_depends_on_it() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        assert!(links.tx_checksum_offload("t_c0").await.unwrap());
        for _ in 0..2 {
            links.set_tx_checksum_offload("t_c0", false).await.unwrap();
            assert!(!links.tx_checksum_offload("t_c0").await.unwrap());
            for which in [Offload::TxChecksum, Offload::TcpSegmentation, Offload::Segmentation] {
                assert!(!read("t_c0", which), "{which:?}");
            }
        }
        assert!(links.tx_checksum_offload("tap0").await.unwrap(), "the other end is as it was");
        for _ in 0..2 {
            links.set_tx_checksum_offload("t_c0", true).await.unwrap();
            assert!(links.tx_checksum_offload("t_c0").await.unwrap());
            for which in [Offload::TcpSegmentation, Offload::Segmentation] {
                assert!(read("t_c0", which), "{which:?}");
            }
        }
    });
}

#[test]
fn checksum_offload_that_is_off_stays_off_in_another_namespace() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        links.set_tx_checksum_offload("t_c0", false).await.unwrap();
        let other = NetNs::new_unshared().unwrap();
        ip(&format!("link set t_c0 netns /proc/{}/fd/{}", std::process::id(), other.fd().as_raw_fd()));
        // As Docker does: another name, up, an address.
        run_in(&other, || {
            ip("link set t_c0 name eth0");
            ip("addr add 10.5.0.2/24 dev eth0");
            ip("link set eth0 up");
        })
        .unwrap();
        let there = Links::open_in(other.fd()).unwrap();
        assert!(!there.tx_checksum_offload("eth0").await.unwrap());
        assert!(!run_in(&other, || read("eth0", Offload::TcpSegmentation)).unwrap());
    });
}

#[test]
fn a_link_that_cannot_do_without_offload_or_is_absent_is_named() {
    in_fresh_namespace(|links, _| async move {
        let error = links.set_tx_checksum_offload("lo", false).await.unwrap_err();
        assert!(matches!(&error, Error::Kernel { link, .. } if link == "lo"), "{error}");
        let error = links.set_tx_checksum_offload("tap0", false).await.unwrap_err();
        assert!(matches!(&error, Error::Absent { link, .. } if link == "tap0"), "{error}");
        assert!(links.tx_checksum_offload("tap0").await.unwrap_err().is_absent());
    });
}
