//! Sources, ranking, messages, and what never appears in them.

// helpers of tests are not covered by the exemption for tests
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use oslo_config::{Cause, Loader, Origin, ReadError, Severity, schemas};

fn lines(text: &str) -> Vec<String> {
    let check = Loader::new(&schemas::kuryr()).text("k.conf", text).check();
    check.iter().map(ToString::to_string).collect()
}

fn kuryr(text: &str) -> oslo_config::Loaded {
    Loader::new(&schemas::kuryr()).text("k.conf", text).load().unwrap()
}

#[test]
fn a_later_file_wins_then_the_drop_ins_then_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("d")).unwrap();
    fs::write(
        path("1.conf"),
        "[neutron]\nusername = one\nproject_name = one\npassword = one\nuser_id = one\n",
    )
    .unwrap();
    fs::write(path("2.conf"), "[neutron]\nproject_name = two\npassword = two\nuser_id = two\n").unwrap();
    fs::write(path("d/20.conf"), "[neutron]\npassword = d20\nuser_id = d20\n").unwrap();
    fs::write(path("d/10.conf"), "[neutron]\npassword = d10\n").unwrap();
    let loaded = Loader::new(&schemas::kuryr())
        .files([path("1.conf"), path("2.conf")])
        .dirs([path("d")])
        .env([("OS_NEUTRON__USER_ID", "env")])
        .load()
        .unwrap();
    let text = |key| loaded.get_str("neutron", key).unwrap().unwrap();
    assert_eq!(
        [text("username"), text("project_name"), text("password"), text("user_id")],
        ["one", "two", "d20", "env"]
    );
    let expected = Origin::File { path: path("d/20.conf").into(), line: 2 };
    assert_eq!(loaded.origin("neutron", "password").unwrap(), &expected);
    assert_eq!(
        loaded.origin("neutron", "user_id").unwrap(),
        &Origin::Environment("OS_NEUTRON__USER_ID".into())
    );
}

#[test]
fn a_missing_file_and_a_missing_directory_are_errors() {
    let problems =
        Loader::new(&schemas::kuryr()).files(["/nonexistent/k.conf"]).dirs(["/nonexistent/d"]).check();
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(texts[0].starts_with("/nonexistent/k.conf: cannot be read (No such file"), "{texts:?}");
    assert!(texts[1].starts_with("/nonexistent/d: cannot be read (No such file"), "{texts:?}");
}

#[test]
fn a_file_that_is_not_text_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"[DEFAULT]\n\xff\n").unwrap();
    let problems = Loader::new(&schemas::kuryr()).files([file.path()]).load().unwrap_err();
    assert_eq!(problems[0].cause, Cause::NotUtf8);
}

#[test]
fn all_problems_are_told_at_once_each_on_one_line_with_its_place() {
    let text = "[DEFAULT]\nenable_ssl = maybe\nkuryr_uri = 127.0.0.1:1\nnonsense\n[binding]\ndefault_driver = bridge\n\
                [neutron]\nvif_plugging_timeout = -1\nauth_url = $nope\n";
    assert_eq!(
        lines(text),
        [
            "k.conf:2: [DEFAULT] enable_ssl = maybe: not a boolean; allowed: true, 1, on, yes, false, 0, off, no",
            "k.conf:3: [DEFAULT] kuryr_uri = 127.0.0.1:1: not a URL (relative URL without a base); \
             allowed: http://host[:port][/path] or https://host[:port][/path]",
            "k.conf:4: no '=' or ':' in this line, write key = value",
            "k.conf:6: [binding] default_driver = bridge: not one of the known words; \
             allowed: veth, vlan, macvlan, ipvlan, hw_veb",
            "k.conf:8: [neutron] vif_plugging_timeout = -1: too small; allowed: a whole number not below 0",
            "k.conf:9: [neutron] auth_url = $nope: refers to $nope, which is no option; write $$ for a dollar sign",
        ]
    );
}

#[test]
fn an_unknown_key_names_the_nearest_one_or_the_section_it_belongs_to() {
    assert_eq!(
        lines("[neutron]\nauth_ulr = http://h/\n"),
        ["k.conf:2: [neutron] auth_ulr: unknown key, it has no effect; did you mean auth_url?"]
    );
    assert_eq!(
        lines("[DEFAULT]\nlink_iface = eth0\n"),
        ["k.conf:2: [DEFAULT] link_iface: unknown key, it has no effect; did you mean [binding] link_iface?"]
    );
    assert_eq!(
        lines("[DEFAULT]\nserviceplugins = x\n"),
        ["k.conf:2: [DEFAULT] serviceplugins: unknown key, it has no effect"]
    );
}

#[test]
fn an_unknown_section_is_told_once_with_the_nearest_one() {
    assert_eq!(
        lines("[nuetron]\nusername = a\nproject_name = b\n"),
        ["k.conf:1: [nuetron] unknown section, its keys have no effect; did you mean [neutron]?"]
    );
}

#[test]
fn an_unknown_variable_of_a_known_section_is_told() {
    let check = Loader::new(&schemas::kuryr())
        .env([("OS_NEUTRON__PASWORD", "hunter2"), ("OS_OTHER__X", "y"), ("OS_USERNAME", "z")])
        .check();
    let texts: Vec<_> = check.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "environment variable OS_NEUTRON__PASWORD: unknown key, it has no effect; did you mean OS_NEUTRON__PASSWORD?"
        ]
    );
}

#[test]
fn a_secret_appears_in_no_message_and_in_no_debug_form() {
    let secret = "hunter2";
    let bad = [
        format!("[neutron]\npassword = $x.{secret}\n"),
        format!("[neutron]\npassword = pa${secret}\n"),
        format!(
            "[neutron]\npassword = a # {secret}\nusername = $password\nvif_plugging_timeout = $password\n"
        ),
        format!("[neutron]\npassword {secret}\n"),
        format!("[neutron]\npassword = pa${secret}\nusername = $password\n"),
        format!("[neutron]\npasword = {secret}\n"),
        format!("[neutron]\nauth_url = ftp://user:{secret}@host/\n"),
        format!("[neutron]\ntoken = {secret}\nenable_dhcp = ${{neutron.token}}\n"),
    ];
    for text in bad {
        let loader = Loader::new(&schemas::kuryr()).text("k.conf", text.as_str());
        assert!(!format!("{loader:?}").contains(secret));
        match loader.load() {
            Ok(loaded) => assert!(!format!("{loaded:?} {:?}", loaded.warnings()).contains(secret), "{text}"),
            Err(problems) => {
                let told: Vec<_> = problems.iter().map(|p| format!("{p} {p:?}")).collect();
                assert!(!told.join("\n").contains(secret), "{text}: {told:?}");
            }
        }
    }
    let url = kuryr(&format!("[neutron]\nauth_url = http://user:{secret}@host/\n"));
    assert!(!format!("{url:?}").contains(secret));
    let loaded = kuryr(&format!("[neutron]\npassword = {secret}\nusername = x$password\n"));
    assert_eq!(loaded.get_str("neutron", "username").unwrap(), Some("xhunter2"));
    assert!(!format!("{loaded:?}").contains(secret));
}

#[test]
fn a_bad_secret_from_the_environment_is_masked() {
    let check = Loader::new(&schemas::kuryr()).env([("OS_NEUTRON__PASSWORD", "a$hunter2")]).check();
    assert_eq!(
        check[0].to_string(),
        "environment variable OS_NEUTRON__PASSWORD: [neutron] password = ***: refers to something, which is no option; write $$ for a dollar sign"
    );
}

#[test]
fn a_circle_of_references_is_an_error_and_not_a_recursion() {
    assert_eq!(
        lines("[neutron]\nusername = $user_id\nuser_id = $username\n"),
        [
            "k.conf:2: [neutron] username = $user_id: refers to itself: [neutron] username -> [neutron] user_id -> [neutron] username",
            "k.conf:3: [neutron] user_id = $username: refers to itself: [neutron] user_id -> [neutron] username -> [neutron] user_id",
        ]
    );
}

#[test]
fn section_names_are_compared_without_case_and_dashes_equal_underscores() {
    let loaded = kuryr("[Neutron]\nauth-url = http://h/\n");
    assert_eq!(loaded.get_str("neutron", "auth_url").unwrap(), Some("http://h/"));
    assert_eq!(loaded.warnings(), []);
}

#[test]
fn keystoneauths_old_names_are_understood() {
    let loaded = kuryr(
        "[neutron]\nauth_plugin = password\ntenant_name = p\nuser-name = u\nendpoint_type = internalURL\n",
    );
    let text = |key| loaded.get_str("neutron", key).unwrap();
    assert_eq!(
        [text("auth_type"), text("project_name"), text("username")],
        [Some("password"), Some("p"), Some("u")]
    );
    assert_eq!(loaded.list("neutron", "valid_interfaces").unwrap(), ["internal"]);
    assert_eq!(loaded.warnings().len(), 3, "{:?}", loaded.warnings());
    let loaded = kuryr("[neutron]\ninterface = admin\n");
    assert_eq!(loaded.list("neutron", "valid_interfaces").unwrap(), ["admin"]);
}

#[test]
fn the_current_name_beats_an_old_one_wherever_it_stands_in_the_file() {
    let loaded = kuryr("[binding]\ndefault_driver = vlan\ndriver = macvlan\n");
    assert_eq!(loaded.get_str("binding", "default_driver").unwrap(), Some("vlan"));
}

#[test]
fn short_and_dotted_driver_names_mean_the_same() {
    for name in ["vlan", "kuryr.lib.binding.drivers.vlan", "kuryr_libnetwork.port_driver.drivers.vlan"] {
        let loaded = kuryr(&format!("[binding]\ndefault_driver = {name}\nenabled_drivers = veth,{name}\n"));
        assert_eq!(loaded.get_str("binding", "default_driver").unwrap(), Some("vlan"));
        assert_eq!(loaded.list("binding", "enabled_drivers").unwrap(), ["veth", "vlan"]);
    }
    assert_eq!(kuryr("").get_str("binding", "default_driver").unwrap(), Some("veth"));
}

#[test]
fn auth_section_borrows_the_credentials_of_another_section() {
    let loaded = kuryr(
        "[neutron]\nauth_section = Shared\n[shared]\nauth_type = v3token\ntoken = t\nauth_url = http://h/\n",
    );
    assert_eq!(loaded.warnings(), []);
    let section = loaded.section("neutron", "auth_section").unwrap();
    assert_eq!(section, "shared");
    assert_eq!(loaded.get_str(&section, "token").unwrap(), Some("t"));
    assert_eq!(kuryr("").section("neutron", "auth_section").unwrap(), "neutron");
}

#[test]
fn auth_section_without_its_section_is_an_error() {
    assert_eq!(
        lines("[neutron]\nauth_section = shared\n"),
        ["k.conf:2: [neutron] auth_section = shared: no file has a section of this name; \
         allowed: the name of a section, or leave auth_section out"]
    );
}

#[test]
fn the_rest_of_oslo_log_is_accepted_with_a_note() {
    let loaded =
        kuryr("[DEFAULT]\ndebug = on\nuse_syslog = true\nlogging_default_format_string = %(x)s $y\n");
    assert!(loaded.bool("DEFAULT", "debug").unwrap());
    let severities: Vec<_> = loaded.warnings().iter().map(|w| w.severity()).collect();
    assert_eq!(severities, [Severity::Note, Severity::Note]);
}

#[test]
fn variables_of_the_predecessors_replace_defaults_but_not_files() {
    let env = [("OS_KURYR_URI", "http://127.0.0.1:1"), ("CAPABILITY_SCOPE", "global")];
    let loader =
        Loader::new(&schemas::kuryr()).env(env).text("k.conf", "[DEFAULT]\ncapability_scope = local\n");
    let loaded = loader.load().unwrap();
    assert_eq!(loaded.get_str("DEFAULT", "kuryr_uri").unwrap(), Some("http://127.0.0.1:1"));
    assert_eq!(loaded.get_str("DEFAULT", "capability_scope").unwrap(), Some("local"));
    assert_eq!(kuryr("").get_str("DEFAULT", "kuryr_uri").unwrap(), Some("http://127.0.0.1:23750"));
}

#[test]
fn free_text_keeps_a_comment_mark_with_a_warning() {
    let loaded = kuryr("[neutron]\nusername = admin # me\n");
    assert_eq!(loaded.get_str("neutron", "username").unwrap(), Some("admin # me"));
    assert_eq!(loaded.warnings()[0].cause, Cause::CommentMarkKept);
}

#[test]
fn a_message_stays_one_short_line_whatever_the_file_holds() {
    let text = format!("[binding]\nlink_iface = a\n  b\x1b[31m{}\n", "x".repeat(5000));
    let told = lines(&text);
    assert_eq!(told.len(), 1);
    assert!(told[0].len() < 400 && !told[0].contains(['\n', '\x1b']), "{}", told[0]);
}

#[test]
fn reading_what_is_not_in_the_schema_is_an_error_of_the_program() {
    let loaded = kuryr("");
    let unknown = ReadError::UnknownOption { group: "neutron".into(), key: "nope".into() };
    assert_eq!(loaded.get_str("neutron", "nope"), Err(unknown));
    assert!(matches!(loaded.bool("neutron", "auth_url"), Ok(false)), "unset reads as false");
    assert!(matches!(loaded.bool("binding", "default_driver"), Err(ReadError::WrongType { .. })));
    assert_eq!(loaded.seconds("neutron", "timeout"), Ok(Some(Duration::from_secs(20))));
}

proptest! {
    #[test]
    fn no_file_makes_the_loader_panic_and_every_problem_is_one_line(
        rows in prop::collection::vec(
            ("(auth_url|password|debug|default_driver|link_iface|timeout|driver|x)", "[ -~]{0,20}"), 0..8),
        section in "(DEFAULT|default|neutron|binding|bindng)",
    ) {
        let rows: String = rows.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        for line in lines(&format!("[{section}]\n{rows}")) {
            prop_assert!(line.starts_with("k.conf:") && !line.contains('\n'), "{}", line);
        }
    }
}
