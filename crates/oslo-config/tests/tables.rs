//! The tables of this project hold together.

use std::collections::BTreeSet;

use oslo_config::{Loader, Schema, schemas};

fn tables() -> [Schema; 2] {
    [schemas::kuryr(), schemas::fuxi()]
}

#[test]
fn every_default_is_valid() {
    for schema in tables() {
        assert_eq!(Loader::new(&schema).check(), []);
    }
}

#[test]
fn names_are_unique_and_every_option_explains_itself() {
    for schema in tables() {
        for group in schema.groups() {
            let mut seen = BTreeSet::new();
            for option in &group.options {
                let old = option.deprecated.iter().filter(|o| o.group.is_none()).map(|o| o.name);
                for name in std::iter::once(option.name).chain(option.aliases.iter().copied()).chain(old) {
                    assert!(seen.insert(name), "[{}] {name} occurs twice", group.name);
                    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
                }
                assert!(option.help.ends_with(['.', ')']), "[{}] {}", group.name, option.name);
            }
        }
    }
}

#[test]
fn whatever_holds_a_credential_is_secret() {
    for schema in tables() {
        for option in schema.groups().iter().flat_map(|g| &g.options) {
            let credential = ["password", "token", "secret"].iter().any(|w| option.name.ends_with(w));
            assert_eq!(option.secret, credential, "{}", option.name);
        }
    }
}

#[test]
fn the_sample_loads_as_it_is_and_with_its_defaults_uncommented() {
    for schema in tables() {
        let sample = schema.sample();
        assert_eq!(Loader::new(&schema).text("sample", sample.as_str()).check(), []);
        assert!(sample.lines().all(|l| l.chars().count() <= 120), "{sample}");
        let mut count = 0;
        let uncommented: String = sample
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest)
                    if rest.starts_with(|c: char| c.is_ascii_lowercase()) && !rest.ends_with("<None>") =>
                {
                    count += 1;
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(count > 20);
        assert_eq!(Loader::new(&schema).text("sample", uncommented).check(), []);
    }
}

#[test]
fn the_sample_shows_help_type_choices_old_names_and_default() {
    let sample = schemas::kuryr().sample();
    for part in [
        "[DEFAULT]\n\n#\n# From kuryr\n#\n",
        "\n# Serve Docker over TLS. (boolean value)\n#enable_ssl = false\n",
        "# Deprecated group/name - [binding]/driver\n#default_driver = kuryr.lib.binding.drivers.veth\n",
        "# Minimum value: 0\n#vif_plugging_timeout = 0\n",
        "\n# Password of the user. (string value)\n#password = <None>\n",
        "# Possible values:\n# local\n# global\n",
    ] {
        assert!(sample.contains(part), "{part}\nnot in\n{sample}");
    }
    assert!(!sample.contains("use_syslog"));
}

#[test]
fn the_legacy_credentials_of_fuxi_come_from_file_or_environment() {
    let loaded = Loader::new(&schemas::fuxi())
        .text("f.conf", "[keystone]\nadmin_user = fuxi\n")
        .env([
            ("SERVICE_USER", "env"),
            ("SERVICE_PASSWORD", "p"),
            ("REGION", "R"),
            ("IDENTITY_URL", "http://h/v2.0"),
        ])
        .load()
        .unwrap();
    let text = |group, key| loaded.get_str(group, key).unwrap();
    assert_eq!(text("keystone", "admin_user"), Some("fuxi"));
    assert_eq!(text("keystone", "admin_password"), Some("p"));
    assert_eq!(text("keystone", "auth_url"), Some("http://h/v2.0"));
    assert_eq!(text("cinder", "region_name"), Some("R"));
    assert_eq!(text("cinder", "auth_type"), Some("password"));
    assert_eq!(text("nova", "auth_type"), None);
}
