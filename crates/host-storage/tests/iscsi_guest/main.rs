//! Real iSCSI: open-iscsi and the kernel of a guest, and a target (tgt, or the kernel's) in the same guest. Ignored by
//! default, because the whole machine is theirs: sessions, disks, records. `cargo xtask lab vm test connectors iscsi_guest`
//! runs them in a guest of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod lio;
mod multipath;
mod target;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use host_storage::connector::{self, Connection, IscsiFailure, Link, Machine};
use host_storage::{BlockDevice, Error, Filesystem, Probe, make_filesystem, mount, probe, unmount};
use serde_json::{Value, json};
use target::{MIB, PASSWORD, TARGET, Target, USER};
use uuid::Uuid;

const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";

fn connection(lun: u64, password: &str) -> Connection {
    let info = json!({
        "driver_volume_type": "iscsi", "target_discovered": false, "target_portal": "127.0.0.1:3260",
        "target_iqn": TARGET, "target_lun": lun, "auth_method": "CHAP", "auth_username": USER,
        "auth_password": password, "volume_id": VOLUME, "encrypted": false,
    });
    parse(&info)
}

/// Unit 1 by several portals.
fn by_portals(portals: &[&str]) -> Connection {
    let many = portals.len();
    parse(&json!({
        "driver_volume_type": "iscsi", "target_portals": portals, "target_iqns": vec![TARGET; many],
        "target_luns": vec![1; many], "auth_method": "CHAP", "auth_username": USER, "auth_password": PASSWORD,
    }))
}

fn parse(info: &Value) -> Connection {
    Connection::parse(info.as_object().unwrap(), VOLUME).unwrap()
}

fn connect(connection: &Connection, mib: u64) -> Result<(BlockDevice, Link), Error> {
    let machine = Machine::default();
    let started = Instant::now();
    let device = connector::connect(&machine, connection, VOLUME, mib * MIB)?;
    println!("connected {} in {:?}", device.path().display(), started.elapsed());
    let link = connector::identify(&machine, connection.link.clone(), &device);
    Ok((device, link))
}

fn disconnect(link: &Link) -> Result<(), Error> {
    let started = Instant::now();
    let outcome = connector::disconnect(&Machine::default(), link, VOLUME);
    println!("disconnect took {:?}: {:?}", started.elapsed(), outcome.as_ref().map_err(ToString::to_string));
    outcome
}

fn prove(link: &Link, path: &Path, mib: u64) -> Result<BlockDevice, Error> {
    connector::prove(&Machine::default(), link, path, VOLUME, mib * MIB)
}

fn names(dir: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// SCSI devices, sessions and records.
fn here() -> (Vec<String>, usize, usize) {
    let disks = names("/sys/bus/scsi/devices").into_iter().filter(|n| n.matches(':').count() == 3).collect();
    let search = ["/etc/iscsi", "/var/lib/iscsi", "-path", "*/nodes/*", "-type", "f"];
    let records = Command::new("find").args(search).output().unwrap().stdout;
    (disks, names("/sys/class/iscsi_session").len(), records.split(|b| *b == b'\n').count() - 1)
}

fn assert_nothing_is_left() {
    assert_eq!(here(), (vec![], 0, 0));
    let text = Command::new("grep").args(["-rls", PASSWORD, "/etc/iscsi", "/var/lib/iscsi", "/run"]).output();
    assert_eq!(String::from_utf8(text.unwrap().stdout).unwrap(), "", "secrets are left");
}

fn filesystem_on(device: BlockDevice) -> PathBuf {
    let path = device.path().to_owned();
    let Probe::Blank(proof) = probe(device).unwrap() else { panic!("it is not blank") };
    make_filesystem(proof, Filesystem::Ext4, Uuid::new_v4(), "").unwrap();
    path
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn a_volume_behind_chap_comes_is_used_grows_and_goes() {
    let mut target = Target::start(&[(1, "a", 64), (2, "b", 64)]);
    let wanted = connection(1, PASSWORD);
    let (device, link) = connect(&wanted, 64).unwrap();
    println!("{link:?}");
    assert_eq!(here().0.len(), 1, "no other unit was looked for: {:?}", here());
    let path = filesystem_on(device);
    let dir = tempfile::tempdir().unwrap();
    let device = prove(&link, &path, 64).unwrap();
    mount(&device, Filesystem::Ext4, "", dir.path()).unwrap();
    std::fs::write(dir.path().join("file"), vec![7; 5 << 20]).unwrap();
    drop(device);

    assert!(disconnect(&link).unwrap_err().is_busy());
    assert!(disconnect(&wanted.link).unwrap_err().is_busy());
    assert!(connect(&wanted, 64).unwrap_err().is_busy(), "somebody has what should be new");
    assert_eq!(here().1, 1);
    assert!(matches!(prove(&link, &path, 65).unwrap_err(), Error::WrongDevice { .. }));

    target.become_one_of(&[(1, "a", 96), (2, "b", 64)]);
    connector::rescan(&Machine::default(), &link, VOLUME).unwrap();
    let device = prove(&link, &path, 96).expect("it has grown while mounted");
    assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), vec![7; 5 << 20]);
    unmount(&device, dir.path()).unwrap();
    drop(device);

    let held = std::fs::File::open(&path).unwrap();
    drop(held);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
    assert!(!path.exists());
    disconnect(&link).unwrap();

    let (device, again) = connect(&wanted, 96).unwrap();
    assert_eq!(again, link, "it says the same of itself");
    assert!(matches!(probe(device).unwrap(), Probe::Filesystem { kind, .. } if kind == "ext4"));
    disconnect(&again).unwrap();
    assert_nothing_is_left();
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn credentials_and_sizes_that_are_wrong_leave_nothing() {
    let _target = Target::start(&[(1, "a", 64)]);
    let wrong = connection(1, "wrongwrong12");
    let error = connect(&wrong, 64).unwrap_err();
    println!("{error}");
    assert!(matches!(error, Error::Iscsi { failure: IscsiFailure::Credentials, .. }), "{error}");
    disconnect(&wrong.link).unwrap();
    assert_nothing_is_left();

    let right = connection(1, PASSWORD);
    let error = connect(&right, 65).unwrap_err();
    println!("{error}");
    assert!(matches!(error, Error::WrongDevice { .. }), "{error}");
    let (device, link) =
        connect(&right, 64).expect("the caller asks again with the size that Cinder names now");
    drop(device);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn two_volumes_of_one_target_do_not_log_each_other_out() {
    let _target = Target::start(&[(1, "a", 64), (2, "b", 48)]);
    let (first, second) = (connection(1, PASSWORD), connection(2, PASSWORD));
    let (a, link_a) = connect(&first, 64).unwrap();
    let (b, link_b) = connect(&second, 48).unwrap();
    assert_ne!(a.path(), b.path());
    assert!(matches!(prove(&link_a, b.path(), 48).unwrap_err(), Error::WrongDevice { .. }));
    let path = b.path().to_owned();
    drop((a, b));
    disconnect(&link_a).unwrap();
    let (disks, sessions, records) = here();
    assert_eq!((disks.len(), sessions, records), (1, 1, 1), "the other one stays");
    let device = prove(&link_b, &path, 48).unwrap();
    assert!(matches!(probe(device).unwrap(), Probe::Blank(_)));
    disconnect(&link_b).unwrap();
    assert_nothing_is_left();

    // Coming and going at the same time.
    let cycle = |wanted: Connection, mib: u64| {
        move || {
            for round in 0..10 {
                let (device, link) = connect(&wanted, mib).unwrap_or_else(|e| panic!("round {round}: {e}"));
                let path = device.path().to_owned();
                drop(device);
                let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
                file.write_all_at(&[round; 4096], 0).and_then(|()| file.sync_all()).unwrap();
                drop(file);
                prove(&link, &path, mib).unwrap();
                disconnect(&link).unwrap_or_else(|e| panic!("round {round}: {e}"));
            }
        }
    };
    let threads = [std::thread::spawn(cycle(first, 64)), std::thread::spawn(cycle(second, 48))];
    for thread in threads {
        thread.join().unwrap();
    }
    assert_nothing_is_left();
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn a_target_that_dies_is_told_and_what_it_left_is_taken_away() {
    let mut target = Target::start(&[(1, "a", 64)]);
    let wanted = connection(1, PASSWORD);
    let (device, link) = connect(&wanted, 64).unwrap();
    let path = device.path().to_owned();
    drop(device);
    // The kernel's patience with a lost target is 120 s; the test has less.
    for session in names("/sys/class/iscsi_session") {
        std::fs::write(format!("/sys/class/iscsi_session/{session}/recovery_tmo"), "3").unwrap();
    }
    target.kill();
    let started = Instant::now();
    let mut outcome = disconnect(&link);
    while outcome.is_err() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_secs(1));
        outcome = disconnect(&link);
    }
    outcome.unwrap();
    println!("taken away after {:?}", started.elapsed());
    assert_nothing_is_left();
    assert!(!path.exists());

    let started = Instant::now();
    let error = connect(&wanted, 64).unwrap_err();
    println!("with the target dead, after {:?}: {error}", started.elapsed());
    assert!(matches!(error, Error::Iscsi { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(90));
    disconnect(&wanted.link).unwrap();
    assert_nothing_is_left();

    target.restart(&[(1, "a", 64)]);
    let (device, link) = connect(&wanted, 64).unwrap();
    drop(device);
    // A short absence is bridged by the session.
    target.become_one_of(&[(1, "a", 64)]);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn h58_a_disk_that_a_former_volume_left_is_looked_at_anew() {
    let mut target = Target::start(&[(1, "former", 64)]);
    target.kill();
    target.write("former", b"former");
    target.restart(&[(1, "former", 64)]);
    let wanted = connection(1, PASSWORD);
    let (device, former) = connect(&wanted, 64).unwrap();
    let path = device.path().to_owned();
    drop(device);
    let read = |path: &Path| {
        let mut bytes = [0; 6];
        std::fs::File::open(path).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        bytes
    };
    assert_eq!(&read(&path), b"former");
    // We were killed; Cinder gave the unit to another volume meanwhile.
    target.write("later", b"later!");
    target.become_one_of(&[(1, "later", 64)]);
    let (device, later) = connect(&wanted, 64).unwrap();
    println!("{former:?}\n{later:?}");
    assert_ne!(former, later);
    assert_eq!(&read(device.path()), b"later!");
    let error = prove(&former, device.path(), 64).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("another volume came in its place"), "{error}");
    disconnect(&former).expect("nothing of the former volume is here");
    let path = device.path().to_owned();
    drop(device);
    prove(&later, &path, 64).expect("the later one stays");
    disconnect(&later).unwrap();
    assert_nothing_is_left();
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn a_portal_may_have_an_ipv6_address() {
    let _target = Target::start(&[(1, "a", 64)]);
    let wanted = by_portals(&["[::1]:3260"]);
    let (device, link) = connect(&wanted, 64).unwrap();
    drop(device);
    disconnect(&link).unwrap();
    assert_nothing_is_left();
}

#[test]
#[ignore = "needs a guest with open-iscsi and tgt"]
fn after_a_reboot_only_the_record_is_left_and_goes() {
    let _target = Target::start(&[(1, "a", 64)]);
    let wanted = connection(1, PASSWORD);
    let (device, link) = connect(&wanted, 64).unwrap();
    drop(device);
    let node = ["-m", "node", "-T", TARGET, "-p", "127.0.0.1:3260"];
    let show = Command::new("iscsiadm").args(node).output().unwrap();
    let record = String::from_utf8(show.stdout).unwrap();
    assert!(
        record.contains("node.startup = manual") && record.contains("node.session.scan = manual"),
        "{record}"
    );
    assert!(Command::new("iscsiadm").args(node).arg("--logout").status().unwrap().success());
    assert_eq!(here(), (vec![], 0, 1));
    disconnect(&link).unwrap();
    assert_nothing_is_left();
}
