//! Virtual functions of links that have none. No kernel for tests has real ones.

use host_net::Error;
use host_net::sriov::VfConfig;

use crate::namespace::{in_fresh_namespace, pair};

#[test]
fn a_link_without_virtual_functions_is_told_so() {
    in_fresh_namespace(|links, _| async move {
        links.ensure_veth(&pair("tap0", "t_c0")).await.unwrap();
        for config in [
            VfConfig { mac: Some([2, 0, 0, 0, 0, 7]), ..VfConfig::default() },
            VfConfig { vlan: Some(101), ..VfConfig::default() },
            VfConfig { spoof_check: Some(true), ..VfConfig::default() },
            VfConfig { mac: Some([2, 0, 0, 0, 0, 7]), vlan: Some(0), spoof_check: Some(false) },
        ] {
            let error = links.set_vf("tap0", 2, &config).await.unwrap_err();
            // EOPNOTSUPP: the message was understood down to the driver's missing function.
            assert!(
                matches!(&error, Error::NoVirtualFunctions { pf, index: 2, cause } if pf == "tap0" && cause.contains("95")),
                "{config:?}: {error}"
            );
            assert!(error.to_string().contains("sriov_numvfs"), "{error}");
        }
        links.set_vf("tap0", 2, &VfConfig::default()).await.unwrap();
        assert_eq!(links.vf_mac("tap0", 2).await.unwrap(), None);
        assert!(links.vf_mac("absent", 2).await.unwrap_err().is_absent());
    });
}

#[test]
fn an_impossible_vlan_and_an_absent_link_are_named() {
    in_fresh_namespace(|links, _| async move {
        let config = VfConfig { vlan: Some(4095), ..VfConfig::default() };
        let error = links.set_vf("enp59s0f0", 0, &config).await.unwrap_err();
        assert!(matches!(error, Error::Vlan { vlan: 4095, .. }), "{error}");
        let config = VfConfig { vlan: Some(4094), ..VfConfig::default() };
        assert!(links.set_vf("enp59s0f0", 0, &config).await.unwrap_err().is_absent());
    });
}
