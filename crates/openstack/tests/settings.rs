//! Settings from sections, cloud files and the environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::time::Duration;

use common::{CANARY, map};
use openstack::{
    AuthSettings, CloudFiles, Credentials, Domain, Error, Interface, Result, Scope, ServiceType, Session,
    User,
};
use secrecy::ExposeSecret;

const PLACE: &str = "[neutron] in /etc/kuryr/kuryr.conf";

fn read(options: &[(&str, &str)]) -> Result<AuthSettings> {
    AuthSettings::from_keystoneauth_map(PLACE, &map(options))
}

fn refused(options: &[(&str, &str)]) -> String {
    let error = read(options).unwrap_err();
    assert!(matches!(error, Error::Config(_)));
    let text = error.to_string();
    assert!(!text.contains(CANARY) && !text.contains('\n') && text.contains(PLACE), "{text}");
    text
}

/// Enough for a session.
const GOOD: [(&str, &str); 6] = [
    ("auth_url", "http://keystone:5000"),
    ("username", "kuryr"),
    ("password", CANARY),
    ("user_domain_name", "Default"),
    ("project_name", "service"),
    ("project_domain_id", "default"),
];

fn but(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [&GOOD[..], changes].concat()
}

#[test]
fn a_section_of_kuryr_conf_is_understood() {
    let settings = read(&but(&[
        ("auth_plugin", "v3password"),
        ("region_name", "RegionOne"),
        ("endpoint_type", "internal"),
        ("insecure", "True"),
        ("timeout", "7"),
        ("cafile", ""),
    ]))
    .unwrap();
    assert_eq!(settings.auth_url.unwrap().as_str(), "http://keystone:5000/v3");
    assert_eq!(
        settings.scope,
        Scope::ProjectName { name: "service".into(), domain: Domain::Id("default".into()) }
    );
    assert_eq!(settings.region.as_deref(), Some("RegionOne"));
    assert_eq!(settings.interfaces, [Interface::Internal]);
    assert!(settings.tls.insecure && settings.tls.cafile.is_none());
    assert_eq!(settings.timeout, Some(Duration::from_secs(7)));
    let Credentials::Password { user, password } = settings.credentials else { panic!("not a password") };
    assert_eq!(user, User::Name { name: "kuryr".into(), domain: Domain::Name("Default".into()) });
    assert_eq!(password.expose_secret(), CANARY);
}

#[test]
fn the_address_of_keystone_may_have_its_version_or_not() {
    for (given, meant) in [
        ("http://k:5000", "http://k:5000/v3"),
        ("http://k:5000/", "http://k:5000/v3"),
        ("http://k:5000/v3/", "http://k:5000/v3"),
        ("https://k/identity", "https://k/identity/v3"),
        ("https://k/identity/v3", "https://k/identity/v3"),
        ("http://k:35357/v2.0", "http://k:35357/v3"),
    ] {
        let settings = read(&but(&[("auth_url", given)])).unwrap();
        assert_eq!(settings.auth_url.unwrap().as_str(), meant);
    }
}

#[test]
fn what_is_missing_is_named_with_its_place() {
    for (key, names) in [
        ("auth_url", "`auth_url`"),
        ("username", "`username` or `user_id`"),
        ("password", "`password`"),
        ("user_domain_name", "`user_domain_name` or `user_domain_id`"),
        ("project_name", "`project_name` or `project_id`"),
        ("project_domain_id", "`project_domain_name` or `project_domain_id`"),
    ] {
        let options: Vec<_> = GOOD.into_iter().filter(|(k, _)| *k != key).collect();
        let text = refused(&options);
        assert!(text.starts_with(&format!("{names} is missing in {PLACE}: ")), "{text}");
    }
    assert!(refused(&[("auth_type", "none")]).starts_with("`endpoint_override` is missing"));
    let secret_only = [("auth_url", "http://k"), ("application_credential_secret", CANARY)];
    assert!(
        refused(&secret_only).starts_with("`application_credential_id` or `application_credential_name`")
    );
}

#[test]
fn what_cannot_be_is_refused_without_repeating_secrets() {
    for (changes, part) in [
        (&[("auth_type", "v2password")][..], "`auth_type` in"),
        (&[("auth_url", "keystone:5000")], "http:// or https://"),
        (&[("auth_url", "http://u:canary-9f3b-do-not-print@k")], "holds a user name or password"),
        (&[("auth_url", "http://canary-9f3b-do-not-print:x:y")], "is not a URL"),
        (&[("endpoint_type", "secret")], "use public, internal or admin"),
        (&[("insecure", "maybe")], "use true or false"),
        (&[("timeout", "0")], "number of seconds"),
        (&[("timeout", "NaN")], "number of seconds"),
        (&[("trust_id", "t")], "`project_name` and `trust_id` contradict each other"),
        (&[("domain_id", "t")], "`project_name` and `domain_id` contradict each other"),
        (&[("system_scope", "all")], "contradict"),
        (&[("auth_type", "v3applicationcredential")], "`project_name` and `application_credential_secret`"),
    ] {
        let text = refused(&but(changes));
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn overrides_are_for_one_service_or_all() {
    let all = read(&but(&[("endpoint_override", "http://n:9696")])).unwrap().endpoint_overrides;
    assert_eq!(all.len(), 4);
    let one = read(&but(&[("volumev3_endpoint_override", "http://c/v3")])).unwrap().endpoint_overrides;
    assert_eq!(one.keys().copied().collect::<Vec<_>>(), [ServiceType::BlockStorage]);
    let one = read(&but(&[("compute_endpoint_override", "http://c/v2.1")])).unwrap().endpoint_overrides;
    assert_eq!(one.keys().copied().collect::<Vec<_>>(), [ServiceType::Compute]);
    let one = read(&but(&[("sharev2_endpoint_override", "http://c/v2")])).unwrap().endpoint_overrides;
    assert_eq!(one.keys().copied().collect::<Vec<_>>(), [ServiceType::SharedFileSystems]);
}

const CLOUDS: &str = r#"
clouds:
  one:
    profile: none
    regions: [A, B]
    region_name: A
    verify: false
    identity_api_version: 3
    api_timeout: 12
    auth:
      auth_url: https://k:5000/v3
      username: kuryr
      user_domain_name: Default
      project_name: 007
      project_domain_name: Default
  app:
    auth_type: v3applicationcredential
    interface: internal
    cacert: /etc/ca.pem
    auth: { auth_url: "https://k", application_credential_id: a, application_credential_secret: s }
"#;

#[test]
fn a_cloud_comes_from_clouds_yaml_and_its_secret_from_secure_yaml() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(second.path().join("clouds.yaml"), CLOUDS).unwrap();
    let files = CloudFiles { file: None, directories: vec![first.path().into(), second.path().into()] };
    let error = AuthSettings::from_clouds(&files, "one").unwrap_err().to_string();
    assert!(error.starts_with("`password` is missing in cloud `one` of "), "{error}");
    let secure = "clouds: { one: { auth: { password: 0123 } } }";
    std::fs::write(first.path().join("secure.yaml"), secure).unwrap();
    let one = AuthSettings::from_clouds(&files, "one").unwrap();
    let Credentials::Password { password, .. } = one.credentials else { panic!("not a password") };
    assert_eq!(password.expose_secret(), "0123", "digits stay text");
    assert!(matches!(one.scope, Scope::ProjectName { name, .. } if name == "007"));
    assert!(one.tls.insecure);
    assert_eq!((one.region.as_deref(), one.timeout), (Some("A"), Some(Duration::from_secs(12))));
    let app = AuthSettings::from_clouds(&files, "app").unwrap();
    assert_eq!(app.interfaces, [Interface::Internal]);
    assert_eq!(app.tls.cafile.unwrap().to_str(), Some("/etc/ca.pem"));
    let error = AuthSettings::from_clouds(&files, "two").unwrap_err().to_string();
    assert!(error.contains("no cloud `two` in ") && error.ends_with("it has app, one"), "{error}");
}

#[test]
fn an_unreadable_cloud_file_is_named_by_line_without_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("clouds:\n  one:\n    auth:\n      password: {CANARY}\n     bad: [\n");
    std::fs::write(directory.path().join("clouds.yaml"), text).unwrap();
    let files = CloudFiles { file: None, directories: vec![directory.path().into()] };
    let error = AuthSettings::from_clouds(&files, "one").unwrap_err().to_string();
    assert!(error.contains("near line") && !error.contains(CANARY) && !error.contains('\n'), "{error}");
    let nowhere = CloudFiles { file: None, directories: vec![directory.path().join("no")] };
    let error = AuthSettings::from_clouds(&nowhere, "one").unwrap_err().to_string();
    assert!(error.contains("looked for") && error.contains("/no/clouds.yaml"), "{error}");
}

#[test]
fn the_environment_is_read_through_its_getter() {
    let environment = map(&[
        ("OS_AUTH_URL", "http://k:5000"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", CANARY),
        ("OS_USER_DOMAIN_ID", "default"),
        ("OS_PROJECT_ID", "p"),
        ("OS_CACERT", "/ca.pem"),
        ("OS_INTERFACE", "publicURL"),
    ]);
    let settings = AuthSettings::from_env(|name| environment.get(name).cloned()).unwrap();
    assert_eq!(settings.tls.cafile.unwrap().to_str(), Some("/ca.pem"));
    assert_eq!(settings.scope, Scope::ProjectId("p".into()));
    let error = AuthSettings::from_env(|_| None).unwrap_err().to_string();
    assert!(error.starts_with("`OS_USERNAME` or `OS_USER_ID` is missing in the environment"), "{error}");
}

#[test]
fn os_cloud_leads_to_the_cloud_files() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join(".config/openstack");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("clouds.yaml"), CLOUDS).unwrap();
    let environment = map(&[("OS_CLOUD", "app"), ("HOME", home.path().to_str().unwrap())]);
    let settings = AuthSettings::from_env(|name| environment.get(name).cloned()).unwrap();
    assert!(matches!(settings.credentials, Credentials::ApplicationCredential { id, .. } if id == "a"));
    let files = CloudFiles::from_env(|name| environment.get(name).cloned());
    assert_eq!(files.directories.len(), 3);
    assert_eq!(files.directories[2].to_str(), Some("/etc/openstack"));
}

#[test]
fn h59_no_debug_text_shows_a_secret() {
    let settings = [
        read(&GOOD).unwrap(),
        read(&[("auth_url", "http://k"), ("auth_type", "token"), ("token", CANARY), ("project_id", "p")])
            .unwrap(),
        read(&[
            ("auth_url", "http://k"),
            ("application_credential_id", "a"),
            ("application_credential_secret", CANARY),
        ])
        .unwrap(),
    ];
    for settings in settings {
        assert!(!format!("{settings:?}").contains(CANARY));
        let session = Session::new(settings).unwrap();
        let clients = (
            openstack::network::Client::new(session.clone()),
            openstack::block_storage::Client::new(session.clone()),
        );
        assert!(!format!("{session:?} {clients:?}").contains(CANARY));
    }
}
