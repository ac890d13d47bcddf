//! The life of `kuryr serve`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::credentials::create;
use crate::http;
use crate::rig::{AUTH, Rig, Running, free_port};

fn both(rig: &Rig) {
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    rig.fuxi("", &format!("[cinder]\n{AUTH}"));
}

fn serving(rig: &Rig) -> Running {
    let mut running = rig.serve();
    for plugin in ["kuryr", "fuxi"] {
        if rig.path(&format!("{plugin}.conf")).exists() {
            running.until_listening(&rig.socket(plugin));
        }
    }
    running
}

fn activate(rig: &Rig, plugin: &str) -> serde_json::Value {
    let (status, answer) =
        http::call(UnixStream::connect(rig.socket(plugin)).unwrap(), "/Plugin.Activate", "");
    assert_eq!(status, 200);
    answer
}

#[test]
fn docker_is_answered_at_once_with_no_cloud_in_reach() {
    let rig = Rig::new();
    both(&rig);
    let started = Instant::now();
    let mut running = serving(&rig);
    assert_eq!(activate(&rig, "kuryr"), json!({"Implements": ["NetworkDriver", "IpamDriver"]}));
    assert_eq!(activate(&rig, "fuxi"), json!({"Implements": ["VolumeDriver"]}));
    // Far below the cloud's deadlines, far above what a loaded machine takes.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    running.terminate();
    assert_eq!(running.end().code(), Some(0), "{}", running.log());
    assert!(!rig.socket("kuryr").exists() && !rig.socket("fuxi").exists());
    assert!(!rig.path("state/status.sock").exists());
}

#[test]
fn only_the_plugin_that_is_configured_is_served() {
    let rig = Rig::new();
    rig.fuxi("", &format!("[cinder]\n{AUTH}"));
    let _running = serving(&rig);
    assert!(rig.socket("fuxi").exists() && !rig.socket("kuryr").exists());
}

#[test]
fn a_request_that_runs_is_finished_before_the_end() {
    let rig = Rig::new();
    let (_cloud, address) = rig.cloud();
    let auth = AUTH.replace("127.0.0.1:9", &address.to_string()).replace("hunter2", "secret");
    rig.fuxi("", &format!("[cinder]\n{auth}"));
    let fault = json!({"method": "POST", "path": "/volume/v3/*/volumes", "nth": 1, "count": 1,
        "action": {"delay_ms": 1000}});
    let admin = |method: &str, path: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        http::send(&mut stream, method, path, body);
        http::receive(&mut stream)
    };
    assert!(admin("POST", "/admin/faults", &fault.to_string()).0 < 300);
    let mut running = serving(&rig);
    let socket = rig.socket("fuxi");
    let started = Instant::now();
    let client = std::thread::spawn(move || create(&socket, "my_vol"));
    std::thread::sleep(Duration::from_millis(400));
    running.terminate();
    let end = running.end();
    let (status, answer) = client.join().unwrap();
    assert_eq!(status, 200, "{answer} {}", running.log());
    assert!(started.elapsed() >= Duration::from_secs(1), "the call was not held: {:?}", started.elapsed());
    assert_eq!(end.code(), Some(0), "{}", running.log());
    let state = admin("GET", "/admin/state", "").1.to_string();
    assert!(state.contains("my_vol"), "{state}");
}

#[test]
fn an_early_signal_ends_it_in_order_too() {
    let rig = Rig::new();
    both(&rig);
    let mut running = rig.serve();
    running.until("the journal is open", || rig.path("state/lock").exists());
    running.terminate();
    assert_eq!(running.end().code(), Some(0), "{}", running.log());
}

#[test]
fn a_second_process_on_the_same_state_leaves_the_first_ones_sockets_alone() {
    let rig = Rig::new();
    both(&rig);
    let _running = serving(&rig);
    let error = rig.serve_fails();
    assert!(error.contains("in use") && error.contains(&rig.path("state").display().to_string()), "{error}");
    activate(&rig, "kuryr");
    assert_eq!(
        rig.run(
            &[&["status"], rig.files().iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat()
        )
        .code,
        Some(0)
    );
}

#[test]
fn another_process_on_the_plugin_socket_is_not_pushed_aside() {
    let rig = Rig::new();
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    fs::create_dir(rig.plugins()).unwrap();
    let _other = UnixListener::bind(rig.socket("kuryr")).unwrap();
    let error = rig.serve_fails();
    assert!(error.contains(&rig.socket("kuryr").display().to_string()), "{error}");
    UnixStream::connect(rig.socket("kuryr")).unwrap();
}

#[test]
fn the_socket_of_a_dead_process_is_replaced() {
    let rig = Rig::new();
    both(&rig);
    let mut first = serving(&rig);
    first.kill();
    assert!(rig.socket("kuryr").exists() && UnixStream::connect(rig.socket("kuryr")).is_err());
    let _second = serving(&rig);
    activate(&rig, "kuryr");
    let mode = fs::metadata(rig.socket("kuryr")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_named() {
    let rig = Rig::new();
    // Also for root, whom permissions do not stop.
    rig.write("state", "a file where a directory should be");
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    let error = rig.serve_fails();
    assert!(error.contains(&rig.path("state").display().to_string()), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!rig.plugins().exists());
}

#[test]
fn tls_files_that_cannot_be_read_are_named() {
    let rig = Rig::new();
    let address = free_port();
    let (cert, key) = (rig.path("cert.pem"), rig.path("key.pem"));
    let options = format!(
        "enable_ssl = True\nkuryr_uri = https://{address}\nssl_cert_file = {}\nssl_key_file = {}",
        cert.display(),
        key.display()
    );
    rig.kuryr(&options, &format!("[neutron]\n{AUTH}"));
    let names = |path: &std::path::Path| {
        let error = rig.serve_fails();
        assert!(error.contains(&path.display().to_string()) && error.lines().count() == 1, "{error}");
    };
    names(&key);
    fs::write(&key, "no key").unwrap();
    names(&key);
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    names(&cert);
    fs::write(&cert, "no certificate").unwrap();
    names(&cert);
    assert!(!rig.socket("kuryr").exists(), "a process that did not start leaves no socket");
}

#[test]
fn plain_tcp_for_everybody_needs_a_word_on_the_command_line() {
    let rig = Rig::new();
    let port = free_port().port();
    rig.kuryr(&format!("kuryr_uri = http://0.0.0.0:{port}"), &format!("[neutron]\n{AUTH}"));
    let error = rig.serve_fails();
    assert!(error.contains("0.0.0.0"), "{error}");
    rig.kuryr(&format!("kuryr_uri = http://127.0.0.1:{port}"), &format!("[neutron]\n{AUTH}"));
    let mut running = serving(&rig);
    // The plugin's socket, which was waited for, is there a moment before.
    running.until("its port listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert_eq!(http::call(stream, "/Plugin.Activate", "").0, 200);
}

#[test]
fn the_log_goes_where_the_file_says() {
    let rig = Rig::new();
    let log = rig.path("kuryr.log");
    rig.kuryr(
        &format!("log_dir = {}\nlog_file = kuryr.log\nuse_json = True", rig.path("").display()),
        &format!("[neutron]\n{AUTH}"),
    );
    let mut running = serving(&rig);
    running.until("it logs", || fs::read_to_string(&log).is_ok_and(|text| text.contains("serving")));
    for line in fs::read_to_string(&log).unwrap().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(running.log(), "");
}

#[test]
fn an_idle_process_sleeps() {
    let rig = Rig::new();
    both(&rig);
    let running = serving(&rig);
    // Past start-up and the first tries to reach the cloud.
    std::thread::sleep(Duration::from_secs(2));
    let wakes = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
        let of = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.flatten().map(of).sum()
    };
    let before = wakes();
    std::thread::sleep(Duration::from_secs(3));
    let woken = wakes() - before;
    assert!(woken <= 15, "woke {woken} times in 3 s");
}
