//! `kuryr --version`, `kuryr config` and what start-up says of a bad configuration.

use std::path::Path;

use crate::rig::{AUTH, Rig};

fn neutron() -> String {
    format!("[neutron]\n{AUTH}")
}

fn cinder() -> String {
    format!("[cinder]\n{AUTH}")
}

#[test]
fn the_version_is_the_crates() {
    let said = Rig::new().run(&["--version"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), concat!("kuryr ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn without_configuration_every_command_says_how_to_get_one() {
    // `HOME` and the directory are empty; the system's own places are looked at too.
    if Path::new("/etc/kuryr").exists() || Path::new("/etc/fuxi").exists() {
        return;
    }
    for args in [["serve"].as_slice(), &["status"], &["config", "check"]] {
        let said = Rig::new().run(args);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("kuryr config sample kuryr"), "{said:?}");
        assert!(said.err.contains("--config-file") && said.err.contains("--fuxi-config-file"), "{said:?}");
    }
}

#[test]
fn a_sample_with_credentials_checks_without_a_warning() {
    let rig = Rig::new();
    for (plugin, file, section) in [("kuryr", "kuryr.conf", "[neutron]"), ("fuxi", "fuxi.conf", "[cinder]")] {
        let sample = rig.run(&["config", "sample", plugin]);
        assert_eq!(sample.code, Some(0), "{sample:?}");
        assert!(sample.out.contains("state_dir") && sample.out.contains(section));
        rig.write(file, &sample.out.replacen(section, &format!("{section}\n{AUTH}"), 1));
    }
    let said = rig.check();
    let expected =
        ["kuryr.conf", "fuxi.conf"].map(|name| format!("{}: usable\n", rig.path(name).display())).concat();
    assert_eq!((said.code, said.out, said.err), (Some(0), expected, String::new()));
}

#[test]
fn a_bad_value_is_shown_with_file_line_key_value_and_what_is_allowed() {
    let rig = Rig::new();
    let file = rig.write(
        "kuryr.conf",
        &format!("[DEFAULT]\ncapability_scope = planet\n[neutron]\nenable_dhcp = perhaps\n{AUTH}"),
    );
    rig.fuxi("default_volume_size = 0", &cinder());
    let said = rig.check();
    assert_eq!(said.code, Some(1));
    let lines: Vec<&str> = said.out.lines().collect();
    let starts = |line: &str, start: String| assert!(line.starts_with(&start), "{line}\n{start}");
    assert_eq!(lines.len(), 3, "{said:?}");
    starts(lines[0], format!("error: {}:2: [DEFAULT] capability_scope = planet: ", file.display()));
    assert!(lines[0].contains("allowed: ") && lines[0].contains("local"), "{}", lines[0]);
    starts(lines[1], format!("error: {}:4: [neutron] enable_dhcp = perhaps: ", file.display()));
    assert!(lines[1].contains("allowed: ") && lines[1].contains("true"), "{}", lines[1]);
    assert!(lines[2].contains("default_volume_size = 0: "), "both files are checked: {}", lines[2]);
    assert!(said.err.contains("3 errors"), "{said:?}");
    assert!(rig.serve_fails().contains("capability_scope = planet"));
}

#[test]
fn scripts_replace_only_what_is_built_in() {
    let rig = Rig::new();
    let of_ovs = "[ovs]\nintegration_bridge = br-edge\novsdb_socket = /run/ovs/db.sock\n";
    rig.kuryr(
        "",
        &format!("{}{of_ovs}[binding]\ndefault_driver = hw_veb\nscript_vif_types = tap, ovs\n", neutron()),
    );
    let said = rig.check();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(!said.out.contains("warning"), "{said:?}");
    rig.kuryr("", &format!("{}[binding]\nscript_vif_types = midonet\n", neutron()));
    let said = rig.check();
    assert!(said.code == Some(1) && said.out.contains("script_vif_types = midonet"), "{said:?}");
    rig.kuryr("", &format!("{}[ovs]\nintegration_bridge = a-name-of-more-than-15\n", neutron()));
    assert!(rig.check().out.contains("integration_bridge"), "{said:?}");
}

#[test]
fn an_unknown_key_or_section_is_a_warning_with_the_nearest_name() {
    let rig = Rig::new();
    let sections = format!("[neutron]\nenable_dchp = true\n{AUTH}[bindin]\ndefault_driver = veth\n");
    rig.kuryr("", &sections);
    let said = rig.check();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.out.contains("enable_dchp") && said.out.contains("did you mean enable_dhcp?"), "{said:?}");
    assert!(said.out.contains("did you mean [binding]?"), "{said:?}");
    assert!(said.out.lines().take(2).all(|line| line.starts_with("warning: ")), "{said:?}");
}

#[test]
fn no_message_holds_a_password() {
    let rig = Rig::new();
    rig.kuryr("", &format!("{}\npasword = hunter2\ntoken = $hunter2\n", neutron()));
    rig.fuxi(
        "",
        "[cinder]\nauth_url = http://demo:hunter2@127.0.0.1/v3\nusername = demo\npassword = hunter2\n",
    );
    let said = rig.check();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(!said.out.contains("hunter2") && !said.err.contains("hunter2"), "{said:?}");
}

fn slide(name: &str) -> String {
    let slides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../oslo-config/tests/fixtures/slides");
    std::fs::read_to_string(slides.join(name)).unwrap()
}

#[test]
fn the_slides_tls_snippet_needs_nothing_but_credentials() {
    let rig = Rig::new();
    rig.write("kuryr.conf", &format!("{}\n{}", slide("tls.conf"), neutron()));
    let said = rig.check();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.out.contains("kuryr.conf:1: [default] read as [DEFAULT]"), "{said:?}");
    // The certificates may come later; that they are not there yet is worth a word.
    if !Path::new("/var/lib/kuryr/certs/cert.pem").exists() {
        assert!(said.out.contains("cannot open /var/lib/kuryr/certs/cert.pem"), "{said:?}");
    }
    assert!(said.out.contains("ssl_ca_file is not set"), "{said:?}");
}

#[test]
fn the_slides_other_snippets_check_as_printed() {
    let rig = Rig::new();
    rig.write("kuryr.conf", &slide("kuryr-in-a-vm.conf"));
    rig.write("fuxi.conf", &slide("fuxi.conf"));
    let said = rig.check();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    assert!(!said.out.contains("default_driver = vlan"), "{said:?}");
    assert!(said.out.contains("my_ip = MY_IP_ADDRESS") && said.out.contains("no IP address"), "{said:?}");
    // The one word in it that is not meant to stay.
    rig.write("fuxi.conf", &slide("fuxi.conf").replace("MY_IP_ADDRESS", "10.0.0.9"));
    let said = rig.check();
    assert!(said.code == Some(0) && !said.out.contains("my_ip") && !said.out.contains("manila"), "{said:?}");
}

#[test]
fn shares_over_nfs_need_this_hosts_address() {
    let rig = Rig::new();
    rig.write("fuxi.conf", &slide("fuxi.conf"));
    assert!(rig.check().out.contains("shares over NFS"));
    assert!(rig.serve_fails().contains("shares over NFS"));
}

#[test]
fn b09_the_configured_driver_is_used_or_refused_by_name() {
    let rig = Rig::new();
    let file = |driver: &str| rig.kuryr("", &format!("{}[binding]\ndefault_driver = {driver}\n", neutron()));
    for veth in ["veth", "kuryr.lib.binding.drivers.veth"] {
        file(veth);
        let said = rig.check();
        assert!(said.code == Some(0) && !said.out.contains("default_driver"), "{said:?}");
    }
    for inside in ["vlan", "kuryr.lib.binding.drivers.macvlan", "ipvlan"] {
        file(inside);
        let name = inside.rsplit('.').next().unwrap();
        // It never binds with another driver than the one the file names.
        for text in [rig.check().err, rig.serve_fails()] {
            assert!(
                text.contains(&format!("default_driver = {name}")) && text.contains("link_iface"),
                "{text}"
            );
        }
        file(&format!("{inside}\nlink_iface = eth0"));
        let said = rig.check();
        assert!(said.code == Some(0) && !said.out.contains("default_driver"), "{said:?}");
    }
    file("kuryr.lib.binding.drivers.mcvlan");
    assert!(rig.serve_fails().contains("default_driver = kuryr.lib.binding.drivers.mcvlan"));
}

#[test]
fn drivers_that_contradict_each_other_are_refused_with_both_names() {
    let rig = Rig::new();
    for (default, binding, wrong) in [
        ("default_port_driver = vlan", "default_driver = macvlan", "default_port_driver = vlan"),
        ("default_port_driver = nested", "", "macvlan or ipvlan"),
        ("", "default_driver = vlan\nenabled_drivers = veth", "enabled_drivers = veth"),
        ("enabled_port_drivers = veth", "default_driver = ipvlan", "enabled_port_drivers = veth"),
        ("", "default_driver = macvlan\naddress_pairs = subnet", "address_pairs"),
        ("", "default_driver = vlan\nsubport_pool_min = 3", "subport_pool_min = 3"),
        ("", "default_driver = ipvlan\nsubport_pool_max = 3", "subport_pool_max"),
        ("requires_mac_address = true", "default_driver = ipvlan", "requires_mac_address"),
        (
            "requires_mac_address = true",
            "default_driver = vlan\nsubport_pool_max = 3",
            "requires_mac_address",
        ),
    ] {
        rig.kuryr(default, &format!("{}[binding]\nlink_iface = eth0\n{binding}\n", neutron()));
        let said = rig.check();
        assert!(said.code == Some(1) && said.err.contains(wrong), "{default} {binding}: {said:?}");
    }
    for (default, binding) in [
        ("default_port_driver = kuryr_libnetwork.port_driver.drivers.vlan", ""),
        ("default_port_driver = nested", "enabled_drivers = kuryr.lib.binding.drivers.macvlan"),
        ("enabled_port_drivers = nested,veth", "driver = ipvlan\naddress_pairs = subnet"),
    ] {
        rig.kuryr(default, &format!("{}[binding]\nlink_iface = eth0\n{binding}\n", neutron()));
        let said = rig.check();
        assert_eq!(said.code, Some(0), "{default} {binding}: {said:?}");
    }
}

#[test]
fn an_interface_that_is_not_there_ends_the_service_with_advice() {
    let rig = Rig::new();
    rig.kuryr("", &format!("{}[binding]\ndefault_driver = macvlan\nlink_iface = eth-none\n", neutron()));
    let text = rig.serve_fails();
    assert!(text.contains("eth-none") && text.contains("link_iface"), "{text}");
}

#[test]
fn contradicting_settings_are_refused_with_both_names() {
    let rig = Rig::new();
    rig.kuryr("", &format!("{}domain_name = other\n", neutron()));
    for text in [rig.check().err, rig.serve_fails()] {
        assert!(
            text.contains("project_name") && text.contains("domain_name") && text.contains("contradict"),
            "{text}"
        );
    }
}

#[test]
fn an_address_that_is_not_this_hosts_is_no_place_to_listen() {
    let rig = Rig::new();
    rig.kuryr("kuryr_uri = http://example.org:23750", &neutron());
    let said = rig.check();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("kuryr_uri = http://example.org:23750") && said.err.contains("127.0.0.1"),
        "{said:?}"
    );
}

#[test]
fn a_filesystem_that_cannot_be_made_is_refused_at_the_start() {
    let rig = Rig::new();
    rig.fuxi("", &format!("{}fstype = ntfs\n", cinder()));
    assert!(rig.serve_fails().contains("fstype = ntfs"));
    assert!(!rig.path("state").exists(), "nothing was touched");
}

#[test]
fn volumes_through_nova_need_credentials_for_it() {
    let rig = Rig::new();
    let cinder = cinder().replacen("[cinder]\n", "[cinder]\nvolume_connector = openstack\n", 1);
    rig.fuxi("", &cinder);
    let said = rig.check();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(format!("{}{}", said.out, said.err).contains("in [nova]"), "{said:?}");
    for nova in [AUTH, "auth_section = cinder\nmetadata_url = http://127.0.0.1:9\n"] {
        rig.fuxi("", &format!("{cinder}[nova]\n{nova}"));
        let said = rig.check();
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        assert!(!said.out.contains("warning"), "{said:?}");
    }
}
