//! The snippets of the slides load exactly as printed.

// helpers of tests are not covered by the exemption for tests
#![allow(clippy::unwrap_used)]

use std::path::Path;

use oslo_config::{Loaded, Loader, schemas};

fn slide(name: &str) -> (Loaded, Vec<String>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/slides").join(name);
    let schema = if name.starts_with("fuxi") { schemas::fuxi() } else { schemas::kuryr() };
    let loaded = Loader::new(&schema).files([&file]).load().unwrap();
    let prefix = format!("{}/", file.parent().unwrap().display());
    let warnings = loaded.warnings().iter().map(|w| w.to_string().replace(&prefix, "")).collect();
    (loaded, warnings)
}

#[test]
fn tls_is_switched_on_by_the_lower_case_default_section() {
    let (loaded, warnings) = slide("tls.conf");
    assert!(loaded.bool("DEFAULT", "enable_ssl").unwrap());
    let key = loaded.path("DEFAULT", "ssl_key_file").unwrap();
    assert_eq!(key, Some(Path::new("/var/lib/kuryr/certs/key.pem")));
    assert_eq!(
        warnings,
        [
            "tls.conf:1: [default] read as [DEFAULT]; oslo.config would ignore this section, write it in capitals"
        ]
    );
}

#[test]
fn a_containers_vm_needs_the_driver_the_interface_and_the_credentials() {
    let (loaded, warnings) = slide("kuryr-in-a-vm.conf");
    let text = |group, key| loaded.get_str(group, key).unwrap().unwrap();
    assert_eq!(text("DEFAULT", "bindir"), "/usr/local/libexec/kuryr");
    assert_eq!(text("binding", "default_driver"), "vlan");
    assert_eq!(text("binding", "link_iface"), "eth0");
    assert_eq!(text("neutron", "auth_url"), "http://127.0.0.1:35357/v3/");
    assert_eq!(text("neutron", "username"), "admin");
    assert_eq!(text("neutron", "user_domain_name"), "Default");
    assert_eq!(text("neutron", "password"), "ADMIN_PASSWORD");
    assert_eq!(text("neutron", "project_name"), "service");
    assert_eq!(text("neutron", "project_domain_name"), "Default");
    assert_eq!(text("neutron", "auth_type"), "password");
    assert_eq!(
        warnings,
        [
            "kuryr-in-a-vm.conf:4: [binding] driver: deprecated name, use [binding] default_driver",
            "kuryr-in-a-vm.conf:5: [binding] link_iface = eth0 # VM vNIC: the text behind the value is taken \
             for a comment and left out; oslo.config would keep it, put comments on a line of their own",
        ]
    );
}

#[test]
fn fuxi_has_cinder_and_manila() {
    let (loaded, warnings) = slide("fuxi.conf");
    assert_eq!(loaded.get_str("DEFAULT", "my_ip").unwrap(), Some("MY_IP_ADDRESS"));
    assert_eq!(loaded.list("DEFAULT", "volume_providers").unwrap(), ["cinder", "manila"]);
    assert_eq!(loaded.get_str("cinder", "region_name").unwrap(), Some("RegionOne"));
    assert_eq!(loaded.get_str("cinder", "volume_connector").unwrap(), Some("osbrick"));
    assert_eq!(loaded.get_str("cinder", "fstype").unwrap(), Some("ext4"));
    assert_eq!(loaded.get_str("cinder", "auth_url").unwrap(), Some("http://127.0.0.1:5000/v3"));
    assert_eq!(loaded.get_str("manila", "volume_connector").unwrap(), Some("osbrick"));
    assert_eq!(warnings, [""; 0]);
}
