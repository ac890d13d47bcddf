use proptest::prelude::*;
use serde_json::json;

use super::*;

const IQN: &str = "iqn.2010-10.org.openstack:volume-5f0f0f0f-1111-4222-8333-444444444444";

fn read(info: Value) -> Result<(IscsiLink, Secrets), String> {
    parse(info.as_object().unwrap())
}

fn with(changes: Value) -> Value {
    let mut info = json!({"target_portal": "10.0.0.1:3260", "target_iqn": IQN, "target_lun": 1});
    info.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    info
}

fn shown(link: &IscsiLink) -> Vec<String> {
    link.paths.iter().map(ToString::to_string).collect()
}

#[test]
fn what_lvm_and_lio_answer_is_read() {
    let (link, secrets) = read(with(json!({
        "target_discovered": false, "volume_id": "5f0f0f0f-1111-4222-8333-444444444444", "encrypted": false,
        "auth_method": "CHAP", "auth_username": "user", "auth_password": "secret", "access_mode": "rw",
        "discovery_auth_method": "CHAP", "discovery_auth_username": "x", "discovery_auth_password": "y",
        "qos_specs": null, "cacheable": false, "enforce_multipath": false, "driver_volume_type": "iscsi",
    })))
    .unwrap();
    assert_eq!(shown(&link), [format!("LUN 1 of {IQN} at 10.0.0.1:3260")]);
    assert_eq!((secrets.user.as_deref(), secrets.password.as_deref()), (Some("user"), Some("secret")));
    assert!(!link.multipath && link.identity.is_none());
}

#[test]
fn several_portals_are_several_paths_each_once() {
    let (link, _) = read(with(json!({
        "target_portals": ["10.0.0.1:3260", "[fd00::1]:3260", "10.0.0.1:3260"],
        "target_iqns": [IQN, IQN, IQN], "target_luns": [1, 2, 1], "enforce_multipath": true,
    })))
    .unwrap();
    assert_eq!(
        shown(&link),
        [format!("LUN 1 of {IQN} at 10.0.0.1:3260"), format!("LUN 2 of {IQN} at [fd00::1]:3260")]
    );
    assert!(link.multipath);
    let (link, _) =
        read(with(json!({"target_portals": ["10.0.0.1:3260", "10.0.0.2:3260"], "target_iqns": [IQN, IQN]})))
            .unwrap();
    assert_eq!(link.paths.len(), 2, "one LUN for all");
}

#[test]
fn h59_the_link_has_no_secret_and_survives_the_journal() {
    let (link, _) = read(with(json!({
        "auth_method": "CHAP", "auth_username": "user", "auth_password": "hush",
    })))
    .unwrap();
    let text = serde_json::to_string(&link).unwrap();
    assert!(!text.contains("hush"), "{text}");
    assert_eq!(serde_json::from_str::<IscsiLink>(&text).unwrap(), link);
}

#[test]
fn each_malformed_value_is_named() {
    for (changes, want) in [
        (json!({"target_portal": null}), "target_portal is missing"),
        (json!({"target_iqn": null}), "target_iqn is missing"),
        (json!({"target_portal": 7}), "target_portal 7 is no text"),
        (json!({"target_portal": "--op=delete"}), "portal `--op=delete`"),
        (json!({"target_iqn": "--op"}), "`--op` is no iSCSI target name"),
        (json!({"target_iqn": "iqn.2010-10/../../x"}), "no iSCSI target name"),
        (json!({"target_iqn": "iqn.x\nnode.startup = automatic"}), "no iSCSI target name"),
        (json!({"target_lun": "one"}), "target_lun \"one\" is no number"),
        (json!({"target_lun": null}), "target_lun is missing"),
        (json!({"addressing_mode": "SAM4"}), "addressing_mode `SAM4`"),
        (json!({"addressing_mode": 3}), "addressing_mode 3"),
        (json!({"target_portals": "10.0.0.1:3260"}), "target_portals is no list"),
        (json!({"target_portals": ["10.0.0.1:3260", "10.0.0.2:3260"]}), "2 target_portals, 1 target_iqns"),
        (json!({"auth_method": "KRB5"}), "auth_method `KRB5`"),
        (json!({"auth_method": "CHAP", "auth_username": "u"}), "auth_password is missing"),
        (json!({"auth_method": "CHAP", "auth_password": "p"}), "auth_username is missing"),
        (json!({"enforce_multipath": "yes"}), "enforce_multipath"),
    ] {
        let error = read(with(changes)).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn a_password_can_add_no_line_to_the_record_and_is_not_told() {
    for password in ["hush\nnode.startup = automatic", " hush", "hush\t", &"hush".repeat(64)] {
        let error = read(with(json!({
            "auth_method": "CHAP", "auth_username": "u", "auth_password": password,
        })))
        .unwrap_err();
        assert!(error.contains("auth_password") && !error.contains("hush"), "{error}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~\n]{0,20}".prop_map(Value::from),
        Just(json!("10.0.0.1:3260")),
        Just(json!(IQN)),
        Just(json!("CHAP")),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| proptest::collection::vec(inner, 0..4).prop_map(Value::from))
}

const KEYS: [&str; 10] = [
    "target_portal",
    "target_portals",
    "target_iqn",
    "target_iqns",
    "target_lun",
    "target_luns",
    "auth_method",
    "auth_username",
    "auth_password",
    "addressing_mode",
];

proptest! {
    #[test]
    fn any_connection_information_is_a_link_or_an_error(
        values in proptest::collection::vec((0..KEYS.len(), any_json()), 0..8)
    ) {
        let mut info = with(json!({}));
        for (key, value) in values {
            info[KEYS[key]] = value;
        }
        if let Ok((link, _)) = read(info) {
            prop_assert!(!link.paths.is_empty());
        }
    }
}
