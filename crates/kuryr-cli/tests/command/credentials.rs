//! Where credentials may come from.

use std::path::Path;

use crate::http;
use crate::rig::{AUTH, Rig};

/// Credentials for the development cloud.
fn auth(address: std::net::SocketAddr) -> String {
    AUTH.replace("127.0.0.1:9", &address.to_string()).replace("hunter2", "secret")
}

/// True if the volume plugin gets a volume from that cloud with what is configured.
fn works(rig: &Rig) {
    let check = rig.check();
    assert_eq!((check.code, check.err.as_str()), (Some(0), ""), "{check:?}");
    let mut serving = rig.serve();
    let socket = rig.socket("fuxi");
    serving.until_listening(&socket);
    assert_eq!(create(&socket, "my_vol").0, 200, "{}", serving.log());
    serving.terminate();
    assert!(serving.end().success(), "{}", serving.log());
    assert!(!serving.log().contains("secret"), "{}", serving.log());
}

pub(crate) fn create(socket: &Path, name: &str) -> (u16, serde_json::Value) {
    let stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    http::call(stream, "/VolumeDriver.Create", &format!(r#"{{"Name":"{name}","Opts":{{"size":"1"}}}}"#))
}

#[test]
fn from_the_services_own_section() {
    let rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    rig.fuxi("debug = True", &format!("[cinder]\n{}", auth(address)));
    works(&rig);
}

#[test]
fn from_the_section_that_auth_section_names() {
    let rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    rig.fuxi(
        "",
        &format!("[cinder]\nauth_section = shared\nregion_name = RegionOne\n[shared]\n{}", auth(address)),
    );
    works(&rig);
}

#[test]
fn from_the_keystone_section_of_old_fuxi_files() {
    let rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    rig.fuxi(
        "",
        &format!(
            "[keystone]\nauth_url = http://{address}/identity/v3\nadmin_user = demo\nadmin_password = secret\n\
             admin_tenant_name = demo\nregion = RegionOne\n"
        ),
    );
    works(&rig);
}

#[test]
fn from_a_cloud_of_clouds_yaml() {
    let mut rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    rig.fuxi("", "");
    rig.write(
        "clouds.yaml",
        &format!(
            "clouds:\n  mine:\n    auth:\n      auth_url: http://{address}/identity/v3\n      username: demo\n      \
             password: secret\n      project_name: demo\n      user_domain_id: default\n      \
             project_domain_id: default\n    region_name: RegionOne\n"
        ),
    );
    rig.set("OS_CLOUD", "mine");
    works(&rig);
}

#[test]
fn from_the_variables_of_an_openrc() {
    let mut rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    rig.fuxi("", "");
    rig.set("OS_AUTH_URL", &format!("http://{address}/identity/v3"));
    for (name, value) in [
        ("OS_USERNAME", "demo"),
        ("OS_PASSWORD", "secret"),
        ("OS_PROJECT_NAME", "demo"),
        ("OS_USER_DOMAIN_ID", "default"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
    ] {
        rig.set(name, value);
    }
    works(&rig);
}

#[test]
fn b25_variables_of_the_environment_are_read_and_domains_are_not_swapped() {
    let mut rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    rig.fuxi("", "");
    for (name, value) in [
        ("OS_AUTH_URL", format!("http://{address}/identity/v3").as_str()),
        ("OS_USERNAME", "demo"),
        ("OS_PASSWORD", "secret"),
        ("OS_PROJECT_NAME", "demo"),
        ("OS_USER_DOMAIN_NAME", "Users"),
        ("OS_PROJECT_DOMAIN_NAME", "Projects"),
    ] {
        rig.set(name, value);
    }
    let mut serving = rig.serve();
    let socket = rig.socket("fuxi");
    serving.until_listening(&socket);
    // There are no such domains, so it is refused; what counts is what was said.
    create(&socket, "my_vol");
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    http::send(&mut stream, "GET", "/admin/log", "");
    let log = http::receive(&mut stream).1;
    let bodies = log["entries"].as_array().unwrap().iter().map(|entry| &entry["body"]["auth"]);
    let asked: Vec<_> = bodies.filter(|auth| auth.is_object()).collect();
    assert!(!asked.is_empty(), "{log}");
    for auth in asked {
        assert_eq!(auth["identity"]["password"]["user"]["domain"]["name"], "Users");
        assert_eq!(auth["scope"]["project"]["domain"]["name"], "Projects");
    }
    serving.terminate();
    assert!(serving.end().success(), "{}", serving.log());
}

#[test]
fn no_credentials_at_all_is_an_error_that_names_the_three_places() {
    let rig = Rig::new();
    rig.kuryr("", "");
    let said = rig.check();
    assert_eq!(said.code, Some(1));
    for place in ["[neutron]", "OS_CLOUD", "OS_AUTH_URL", "kuryr.conf"] {
        assert!(said.err.contains(place), "{place}: {said:?}");
    }
}

#[test]
fn a_cloud_that_clouds_yaml_does_not_have_is_named() {
    let mut rig = Rig::new();
    rig.kuryr("", "");
    rig.write("clouds.yaml", "clouds:\n  mine:\n    auth: {}\n");
    rig.set("OS_CLOUD", "yours");
    let said = rig.check();
    assert!(said.code == Some(1) && said.err.contains("`yours`") && said.err.contains("mine"), "{said:?}");
}
