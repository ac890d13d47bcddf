//! Every step and every error, on a machine that only looks like one.

use serde_json::json;

use super::*;
use crate::Error;
use crate::connector::fake::{Fake, SIZE, VOLUME, patience};
use crate::connector::{Connection, Link};

const TARGET: &str = "iqn.2010-10.org.openstack:volume-x";

fn wanted(portals: &[&str], lun: u64) -> Connection {
    let info = json!({
        "driver_volume_type": "iscsi", "target_portals": portals, "target_iqns": vec![TARGET; portals.len()],
        "target_luns": vec![lun; portals.len()], "auth_method": "CHAP", "auth_username": "user",
        "auth_password": "hush-hush",
    });
    Connection::parse(info.as_object().unwrap(), VOLUME).unwrap()
}

fn one(lun: u64) -> Connection {
    wanted(&["10.0.0.1:3260"], lun)
}

fn link(connection: &Connection) -> IscsiLink {
    match &connection.link {
        Link::Iscsi(link) => link.clone(),
        other => panic!("{other:?}"),
    }
}

fn bring(fake: &Fake, connection: &Connection) -> Result<BlockDevice> {
    connect(&fake.machine, &link(connection), &connection.secrets, VOLUME, SIZE, &patience())
}

fn take_away(fake: &Fake, connection: &Connection) -> Result<()> {
    disconnect(&fake.machine, &link(connection), &patience())
}

fn assert_clean(fake: &Fake) {
    for dir in ["sys/bus/scsi/devices", "sys/class/iscsi_session", "sys/block"] {
        assert!(fake.names(dir).is_empty(), "{dir}: {:?}", fake.names(dir));
    }
    assert!(fake.names("var/lib/iscsi/nodes").is_empty());
    assert_eq!(fake.names("var/lib/iscsi").iter().filter(|n| n.starts_with('.')).count(), 0);
}

fn failure(error: &Error) -> Option<IscsiFailure> {
    match error {
        Error::Iscsi { failure, .. } => Some(*failure),
        _ => None,
    }
}

#[test]
fn h47_it_comes_with_a_record_of_ours_and_its_own_unit_only_and_goes() {
    let fake = Fake::new(&[(1, "one"), (2, "two")]);
    let device = bring(&fake, &one(1)).unwrap();
    assert_eq!(device.path(), fake.path("dev/sda"));
    assert_eq!(fake.names("sys/bus/scsi/devices"), ["1:0:0:1"]);
    let record = fake.text("record-at-login");
    assert!(
        record.contains("node.startup = manual") && record.contains("node.session.scan = manual"),
        "{record}"
    );
    assert!(record.contains("node.session.auth.password = hush-hush"), "{record}");
    assert_eq!(fake.text("mode-at-login").trim(), "-rw-------");
    assert!(!fake.told().concat().contains("hush"), "a secret in the arguments: {:?}", fake.told());
    drop(device);
    bring(&fake, &one(1)).expect("again is fine");
    assert_eq!(fake.told().iter().filter(|l| l.contains("--login")).count(), 1);
    take_away(&fake, &one(1)).unwrap();
    assert_clean(&fake);
    take_away(&fake, &one(1)).unwrap();
}

#[test]
fn whatever_fails_at_whatever_step_can_be_taken_away() {
    for (call, step) in [(1, "new"), (2, "login")] {
        for (status, want) in [
            (1, IscsiFailure::Other(1)),
            (4, IscsiFailure::Unreachable),
            (5, IscsiFailure::Refused),
            (6, IscsiFailure::Records),
            (8, IscsiFailure::Timeout),
            (11, IscsiFailure::Timeout),
            (12, IscsiFailure::NoTransport),
            (13, IscsiFailure::NotPermitted),
            (18, IscsiFailure::NoDaemon),
            (19, IscsiFailure::Fatal),
            (20, IscsiFailure::NoDaemon),
            (24, IscsiFailure::Credentials),
            (255, IscsiFailure::Other(255)),
        ] {
            for when in ["before", "after"] {
                let fake = Fake::new(&[(1, "one")]);
                fake.write("fail", &format!("{call} {status} {when}"));
                let error = bring(&fake, &one(1)).unwrap_err();
                assert_eq!(failure(&error), Some(want), "{step} {when}: {error}");
                let text = error.to_string();
                assert!(text.contains("10.0.0.1:3260") && !text.contains("hush"), "{text}");
                take_away(&fake, &one(1)).unwrap();
                assert_clean(&fake);
            }
        }
    }
}

#[test]
fn a_session_that_was_there_already_is_used() {
    let fake = Fake::new(&[(1, "one")]);
    fake.write("fail", "2 15 after");
    bring(&fake, &one(1)).expect("15: the session exists");
}

#[test]
fn a_login_that_only_says_it_worked_is_told() {
    let fake = Fake::new(&[(1, "one")]);
    let script = "#!/bin/sh\ncase \"$*\" in *new) d=$(dirname $0)/../../var/lib/iscsi/nodes/$4; mkdir -p $d; echo > $d/10.0.0.1,3260;; esac\n";
    std::fs::write(fake.path("usr/sbin/iscsiadm"), script).unwrap();
    assert_eq!(failure(&bring(&fake, &one(1)).unwrap_err()), Some(IscsiFailure::NoSession));
}

#[test]
fn a_missing_program_names_its_package_and_nothing_else_was_done() {
    let fake = Fake::new(&[(1, "one")]);
    std::fs::remove_file(fake.path("usr/sbin/iscsiadm")).unwrap();
    let error = bring(&fake, &one(1)).unwrap_err();
    assert!(error.to_string().contains("open-iscsi"), "{error}");
    take_away(&fake, &one(1)).expect("nothing is there, so nothing is needed");
    assert_clean(&fake);
}

#[test]
fn a_session_that_does_not_work_is_waited_for_and_told() {
    let fake = Fake::new(&[(1, "one")]);
    bring(&fake, &one(1)).unwrap();
    fake.write("sys/class/iscsi_session/session1/state", "FAILED\n");
    assert_eq!(failure(&bring(&fake, &one(1)).unwrap_err()), Some(IscsiFailure::NoSession));
    assert_eq!(
        failure(&rescan(&fake.machine, &link(&one(1)), &patience()).unwrap_err()),
        Some(IscsiFailure::NoSession)
    );
    fake.write("sys/class/iscsi_session/session1/state", "LOGGED_IN\n");
    bring(&fake, &one(1)).unwrap();
    take_away(&fake, &one(1)).unwrap();
    assert_clean(&fake);
}

#[test]
fn a_unit_that_is_not_shown_is_looked_for_more_than_once() {
    let fake = Fake::new(&[]);
    let error = bring(&fake, &one(1)).unwrap_err();
    assert!(error.to_string().contains("did not appear"), "{error}");
    assert_clean(&fake);
    let mut slow = patience();
    slow.appear = std::time::Duration::from_secs(10);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(600));
            fake.show(1, Some("one"));
        });
        let wanted = one(1);
        connect(&fake.machine, &link(&wanted), &wanted.secrets, VOLUME, SIZE, &slow).unwrap();
    });
}

#[test]
fn h58_another_volume_in_the_place_of_a_former_one_is_told_from_it() {
    let fake = Fake::new(&[(1, "one")]);
    let device = bring(&fake, &one(1)).unwrap();
    let path = device.path().to_owned();
    let former = identify(&fake.machine, link(&one(1)), &device);
    drop(device);
    let prove = |link: &IscsiLink, size| prove(&fake.machine, link, &path, VOLUME, size);
    prove(&former, SIZE).unwrap();
    assert!(matches!(prove(&former, SIZE + 512), Err(Error::WrongDevice { .. })));
    assert!(!is_another(&fake.machine, &former, &path));
    fake.show(1, Some("later"));
    let device = bring(&fake, &one(1)).unwrap();
    // The real kernel has read it when the order comes back.
    fake.until(|| fake.text("sys/bus/scsi/devices/1:0:0:1/wwid") == "naa.later\n");
    let later = identify(&fake.machine, link(&one(1)), &device);
    assert_ne!(later.identity, former.identity);
    let error = prove(&former, SIZE).unwrap_err();
    assert!(error.to_string().contains("another volume came in its place"), "{error}");
    disconnect(&fake.machine, &former, &patience()).unwrap();
    prove(&later, SIZE).expect("it is not the former one's to take away");
    disconnect(&fake.machine, &later, &patience()).unwrap();
    assert_clean(&fake);
}

#[test]
fn a_disk_of_another_unit_or_of_nobody_is_not_the_volume() {
    let fake = Fake::new(&[(1, "one"), (2, "two")]);
    bring(&fake, &one(1)).unwrap();
    let second = bring(&fake, &one(2)).unwrap();
    let first = link(&one(1));
    let error = prove(&fake.machine, &first, second.path(), VOLUME, SIZE).unwrap_err();
    assert!(error.to_string().contains("it is not, or not only, LUN 1 of"), "{error}");
    assert!(is_another(&fake.machine, &first, second.path()));
    assert!(prove(&fake.machine, &first, &fake.path("dev/sdc"), VOLUME, SIZE).is_err());
    take_away(&fake, &one(1)).unwrap();
    assert_eq!(fake.names("sys/bus/scsi/devices"), ["1:0:0:2"], "the other volume and its session stay");
    assert_eq!(fake.names("sys/class/iscsi_session"), ["session1"]);
    drop(second);
    take_away(&fake, &one(2)).unwrap();
    assert_clean(&fake);
}

#[test]
fn h34_a_disk_that_somebody_has_stays_and_so_does_its_session() {
    let fake = Fake::new(&[(1, "one")]);
    let device = bring(&fake, &one(1)).unwrap();
    let held = device.open_exclusively().unwrap();
    for _ in 0..2 {
        assert!(take_away(&fake, &one(1)).unwrap_err().is_busy());
        assert!(bring(&fake, &one(1)).unwrap_err().is_busy());
    }
    // Not even one that does not work any more.
    fake.write("sys/bus/scsi/devices/1:0:0:1/state", "offline\n");
    assert!(bring(&fake, &one(1)).unwrap_err().is_busy());
    assert_eq!(fake.names("sys/bus/scsi/devices").len(), 1);
    drop((held, device));
    bring(&fake, &one(1)).expect("one that does not work is replaced");
    take_away(&fake, &one(1)).unwrap();
    assert_clean(&fake);
}

#[test]
fn an_attempt_that_was_killed_leaves_nothing_that_cannot_be_taken_away() {
    let admin = |fake: &Fake, action: &[&str]| {
        let node = ["-m", "node", "-T", TARGET, "-p", "10.0.0.1:3260", "-I", "default"];
        let status =
            std::process::Command::new(fake.path("usr/sbin/iscsiadm")).args(node).args(action).status();
        assert!(status.unwrap().success());
    };
    let record = |fake: &Fake| admin(fake, &["--op", "new"]);
    let session = |fake: &Fake| {
        record(fake);
        admin(fake, &["--login"]);
    };
    type Step<'a> = (&'a str, &'a dyn Fn(&Fake));
    let steps: [Step<'_>; 6] = [
        ("before all", &|_| {}),
        ("with a record", &record),
        ("while the record was written", &|fake| {
            record(fake);
            let wanted = one(1);
            let link = link(&wanted);
            // What is renamed at the end.
            let file = fake.path(&format!("var/lib/iscsi/nodes/{TARGET}/10.0.0.1,3260"));
            let saved = std::fs::read(&file).unwrap();
            record::settle(&fake.machine, &link.paths[0], &wanted.secrets, false).unwrap();
            std::fs::rename(&file, record::part(&fake.machine, &file, &link.paths[0])).unwrap();
            std::fs::write(&file, saved).unwrap();
        }),
        ("with a session", &session),
        ("with a disk", &|fake| {
            session(fake);
            fake.write("sys/class/scsi_host/host1/scan", "0 0 1");
            fake.until(|| !fake.names("sys/bus/scsi/devices").is_empty());
        }),
        ("after a session without its record", &|fake| {
            session(fake);
            admin(fake, &["--op", "delete"]);
        }),
    ];
    for (name, step) in steps {
        let fake = Fake::new(&[(1, "one")]);
        step(&fake);
        take_away(&fake, &one(1)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_clean(&fake);
        let fake = Fake::new(&[(1, "one")]);
        step(&fake);
        bring(&fake, &one(1)).unwrap_or_else(|e| panic!("{name}, and on: {e}"));
        take_away(&fake, &one(1)).unwrap_or_else(|e| panic!("{name}, and on: {e}"));
        assert_clean(&fake);
    }
}

#[test]
fn an_end_that_failed_is_told_and_can_be_repeated() {
    for (call, status, when) in [(3, 9, "before"), (3, 20, "before"), (4, 6, "before"), (3, 9, "after")] {
        let fake = Fake::new(&[(1, "one")]);
        drop(bring(&fake, &one(1)).unwrap());
        fake.write("fail", &format!("{call} {status} {when}"));
        let error = take_away(&fake, &one(1)).unwrap_err();
        assert_eq!(failure(&error), Some(IscsiFailure::from_status(Some(status))), "{error}");
        take_away(&fake, &one(1)).unwrap();
        assert_clean(&fake);
    }
}

#[test]
fn without_multipathd_the_first_way_that_works_is_the_only_one() {
    let fake = Fake::new(&[(1, "one")]);
    let both = wanted(&["10.0.0.1:3260", "10.0.0.2:3260"], 1);
    fake.write("fail", "2 8 before");
    let device = bring(&fake, &both).unwrap();
    assert_eq!(fake.names("sys/bus/scsi/devices"), ["2:0:0:1"]);
    assert_eq!(fake.names(&format!("var/lib/iscsi/nodes/{TARGET}")), ["10.0.0.2,3260"]);
    drop(device);
    take_away(&fake, &both).unwrap();
    assert_clean(&fake);
    let fake = Fake::new(&[]);
    let error = bring(&fake, &both).unwrap_err().to_string();
    assert!(error.contains("10.0.0.1:3260 did not") && error.contains("10.0.0.2:3260 did not"), "{error}");
}

#[test]
fn with_multipathd_all_ways_are_one_map() {
    let fake = Fake::new(&[(1, "one")]);
    fake.write("multipathd", "");
    let both = wanted(&["10.0.0.1:3260", "10.0.0.2:3260"], 1);
    let device = bring(&fake, &both).unwrap();
    assert_eq!(device.path(), fake.path("dev/dm-0"));
    assert_eq!(fake.names("sys/block/dm-0/slaves"), ["sda", "sdb"]);
    let known = identify(&fake.machine, link(&both), &device);
    assert_eq!(known.identity.as_ref().unwrap().wwid.as_deref(), Some("naa.one"));
    prove(&fake.machine, &known, device.path(), VOLUME, SIZE).unwrap();
    // A map that has a path of another volume, too, is not this one.
    let half = IscsiLink { paths: vec![known.paths[0].clone()], ..known.clone() };
    assert!(matches!(
        prove(&fake.machine, &half, device.path(), VOLUME, SIZE),
        Err(Error::WrongDevice { .. })
    ));
    assert!(disconnect(&fake.machine, &half, &patience()).unwrap_err().is_busy());
    let held = device.open_exclusively().unwrap();
    assert!(take_away(&fake, &both).unwrap_err().is_busy());
    drop((held, device));
    rescan(&fake.machine, &known, &patience()).unwrap();
    assert!(fake.told().iter().any(|l| l == "multipathd resize map mpatha"));
    fake.write("looked-at", "");
    take_away(&fake, &both).unwrap();
    assert_clean(&fake);
}

#[test]
fn paths_that_lead_to_different_volumes_are_no_volume() {
    let fake = Fake::new(&[(1, "one")]);
    fake.write("multipathd", "");
    let both = wanted(&["10.0.0.1:3260", "10.0.0.2:3260"], 1);
    let device = bring(&fake, &both).unwrap();
    fake.write("sys/bus/scsi/devices/2:0:0:1/wwid", "naa.another\n");
    let error = prove(&fake.machine, &link(&both), device.path(), VOLUME, SIZE).unwrap_err();
    assert!(error.to_string().contains("different volumes"), "{error}");
}

#[test]
fn one_path_is_enough_unless_multipath_is_enforced() {
    let both = wanted(&["10.0.0.1:3260", "10.0.0.2:3260"], 1);
    let enforced = IscsiLink { multipath: true, ..link(&both) };
    let bring = |fake: &Fake, link: &IscsiLink| {
        connect(&fake.machine, link, &both.secrets, VOLUME, SIZE, &patience())
    };
    let fake = Fake::new(&[(1, "one")]);
    let error = bring(&fake, &enforced).unwrap_err();
    assert!(error.to_string().contains("multipathd does not run"), "{error}");
    assert_clean(&fake);
    fake.write("multipathd", "");
    fake.write("lazy", "");
    let error = bring(&fake, &enforced).unwrap_err();
    assert!(error.to_string().contains("made no map"), "{error}");
    take_away(&fake, &both).unwrap();
    assert_clean(&fake);
    let device = bring(&fake, &link(&both)).unwrap();
    assert_eq!(fake.names("sys/bus/scsi/devices").len(), 1, "no second name of the same disk");
    assert_ne!(device.path(), fake.path("dev/dm-0"));
    drop(device);
    take_away(&fake, &both).unwrap();
    assert_clean(&fake);
}
