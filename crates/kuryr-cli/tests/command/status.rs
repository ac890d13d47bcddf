//! `kuryr status`.

use serde_json::Value;

use crate::rig::{AUTH, Rig, Said};

fn status(rig: &Rig, more: &[&str]) -> Said {
    let files = rig.files();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    rig.run(&[&["status"], files.as_slice(), more].concat())
}

#[test]
fn nobody_serving_is_an_error_that_names_the_socket() {
    let rig = Rig::new();
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    let said = status(&rig, &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(&rig.path("state/status.sock").display().to_string()), "{said:?}");
    assert_eq!(said.err.lines().count(), 1);
}

#[test]
fn it_needs_no_credentials_and_keeps_the_documented_shape() {
    let rig = Rig::new();
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    rig.fuxi("", &format!("[cinder]\n{AUTH}"));
    let mut running = rig.serve();
    running.until_listening(&rig.path("state/status.sock"));
    // As for an operator without the service's environment.
    rig.kuryr("", "");
    let said = status(&rig, &["--json"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let shape: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shape["pid"], running.pid());
    assert_eq!(shape["version"], env!("CARGO_PKG_VERSION"));
    for list in ["networks", "endpoints", "pools"] {
        assert!(shape["network"][list].is_array(), "{shape}");
    }
    assert!(shape["network"]["doomed"].is_u64() && shape["volume"]["volumes"].is_array(), "{shape}");
    let said = status(&rig, &[]);
    let expected = format!(
        "kuryr {} (pid {})\n\nnetworks: 0\n\nendpoints: 0\n\npools: 0\n\nvolumes: 0\n\nshares: 0\n",
        env!("CARGO_PKG_VERSION"),
        running.pid()
    );
    assert_eq!(said.out, expected);
}

#[test]
fn plugins_with_state_of_their_own_are_found_by_either_file() {
    let rig = Rig::new();
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    rig.fuxi(&format!("state_dir = {}", rig.path("other").display()), &format!("[cinder]\n{AUTH}"));
    let mut running = rig.serve();
    running.until_listening(&rig.path("state/status.sock"));
    running.until_listening(&rig.path("other/status.sock"));
    let file = rig.path("fuxi.conf");
    let said = rig.run(&["status", "--json", "--fuxi-config-file", &file.to_string_lossy()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = status(&rig, &[]);
    assert!(said.out.contains("networks: 0") && said.out.contains("volumes: 0"), "{said:?}");
}
