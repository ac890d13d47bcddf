//! `kuryr demo` as a newcomer runs it: without a terminal, twice, and interrupted.

#![allow(clippy::expect_used, reason = "a test may panic; that fails it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A demo takes the whole stage; these tests go one after the other.
static STAGE: Mutex<()> = Mutex::new(());

fn demo() -> Child {
    let kuryr =
        std::env::var_os("KURYR_TEST_BINARY").expect("KURYR_TEST_BINARY is not set; run `cargo xtask test`");
    Command::new(kuryr)
        .arg("demo")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kuryr starts")
}

fn directory(demo: &Child) -> PathBuf {
    Path::new("/var/tmp").join(format!("kuryr-demo-{}", demo.id()))
}

fn send(demo: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(demo.id()).expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("the demo runs");
}

/// Waits until the demo has containers and volumes to leave behind.
fn wait_until_under_way(demo: &Child) {
    let volumes = directory(demo).join("cloud/volumes");
    let end = Instant::now() + Duration::from_secs(60);
    while !volumes.read_dir().is_ok_and(|mut files| files.any(|f| f.is_ok_and(|f| f.file_name() != "lock"))) {
        assert!(Instant::now() < end, "the demo made no volume within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_nothing_left(name: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let mut left: Vec<String> = Vec::new();
        let dir = Path::new("/var/tmp").join(name);
        if dir.exists() {
            left.push(dir.display().to_string());
        }
        for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(name) {
                left.push(format!("process {}", process.path().display()));
            }
        }
        for device in std::fs::read_dir("/sys/block").expect("/sys/block").flatten() {
            let file = std::fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
            if file.contains(name) {
                left.push(format!("loop device {}", device.path().display()));
            }
        }
        let groups = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten();
        left.extend(
            groups.map(|g| g.path().join(name)).filter(|g| g.exists()).map(|g| g.display().to_string()),
        );
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn name(demo: &Child) -> String {
    format!("kuryr-demo-{}", demo.id())
}

#[test]
fn the_tour_holds_and_leaves_nothing_behind_and_a_second_run_works() {
    let _stage = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in 0..2 {
        let demo = demo();
        let name = name(&demo);
        let output = demo.wait_with_output().expect("the demo ends");
        let (told, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{told}\n{errors}");
        for seen in
            ["0% packet loss", "udp 10.40.0.", ": reached", ": not reached", "stored in cinder", "given back"]
        {
            assert!(told.contains(seen), "`{seen}` is not in\n{told}");
        }
        assert_nothing_left(&name);
    }
}

#[test]
fn an_interrupted_tour_leaves_nothing_behind() {
    let _stage = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for signal in [Signal::INT, Signal::TERM] {
        let demo = demo();
        let name = name(&demo);
        wait_until_under_way(&demo);
        send(&demo, signal);
        let output = demo.wait_with_output().expect("the demo ends");
        assert!(!output.status.success(), "an interrupted tour did not hold");
        assert_nothing_left(&name);
    }
}

#[test]
fn what_a_killed_tour_leaves_on_disk_the_next_one_removes() {
    let _stage = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut killed = demo();
    let name = name(&killed);
    wait_until_under_way(&killed);
    send(&killed, Signal::KILL);
    killed.wait().expect("the demo ends");
    let output = demo().wait_with_output().expect("the demo ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_nothing_left(&name);
}
