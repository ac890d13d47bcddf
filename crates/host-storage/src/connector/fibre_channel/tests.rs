//! On a machine that only looks like one: there is no fabric here.

use serde_json::{Value, json};

use super::*;
use crate::connector::fake::{Fake, SIZE, VOLUME, patience};

const OWN: [&str; 2] = ["0x10000000c9000001", "0x10000000c9000002"];
const STORAGE: [&str; 2] = ["0x5001438012345678", "0x5001438012345679"];

fn link(changes: Value) -> FibreChannelLink {
    let mut info = json!({"target_wwn": STORAGE, "target_lun": 3});
    info.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    parse(info.as_object().unwrap()).unwrap()
}

fn bring(fake: &Fake, link: &FibreChannelLink) -> Result<BlockDevice> {
    connect(&fake.machine, link, VOLUME, SIZE, &patience())
}

fn disks(fake: &Fake) -> Vec<String> {
    fake.names("sys/bus/scsi/devices")
}

#[test]
fn it_comes_by_the_first_port_that_works_is_proven_and_goes() {
    let fake = Fake::new(&[(3, "three"), (4, "four")]);
    fake.fibre_channel(7, OWN[0], STORAGE[0]);
    fake.fibre_channel(8, OWN[1], STORAGE[1]);
    let wanted = link(json!({}));
    let device = bring(&fake, &wanted).unwrap();
    assert_eq!(disks(&fake), ["7:0:5:3"], "one way, and no other unit");
    let known = identify(&fake.machine, wanted, &device);
    assert_eq!(known.identity.as_ref().unwrap().wwid.as_deref(), Some("naa.three"));
    let other = bring(&fake, &link(json!({"target_lun": 4}))).unwrap();
    assert!(matches!(
        prove(&fake.machine, &known, other.path(), VOLUME, SIZE),
        Err(Error::WrongDevice { .. })
    ));
    assert!(
        is_another(&fake.machine, &known, other.path()) && !is_another(&fake.machine, &known, device.path())
    );
    let held = device.open_exclusively().unwrap();
    assert!(disconnect(&fake.machine, &known, &patience()).unwrap_err().is_busy());
    drop((held, device));
    rescan(&fake.machine, &known).unwrap();
    disconnect(&fake.machine, &known, &patience()).unwrap();
    assert_eq!(disks(&fake), ["7:0:5:4"], "the other volume stays");
    disconnect(&fake.machine, &known, &patience()).unwrap();
}

#[test]
fn with_multipathd_all_ports_make_one_map() {
    let fake = Fake::new(&[(3, "three")]);
    fake.write("multipathd", "");
    fake.fibre_channel(7, OWN[0], STORAGE[0]);
    fake.fibre_channel(8, OWN[1], STORAGE[1]);
    let wanted = link(json!({"enforce_multipath": true}));
    let device = bring(&fake, &wanted).unwrap();
    assert_eq!(device.path(), fake.path("dev/dm-0"));
    assert_eq!(disks(&fake), ["7:0:5:3", "8:0:5:3"]);
    drop(device);
    // One port loses the fabric: its disk is still ours to take away.
    fake.write("sys/class/fc_remote_ports/rport-8:0-2/port_state", "Blocked\n");
    disconnect(&fake.machine, &wanted, &patience()).unwrap();
    assert!(disks(&fake).is_empty() && fake.names("sys/block").is_empty());
}

#[test]
fn only_the_ports_that_the_storage_serves_are_used() {
    let fake = Fake::new(&[(3, "three")]);
    fake.fibre_channel(7, OWN[0], STORAGE[0]);
    fake.fibre_channel(8, OWN[1], STORAGE[0]);
    let wanted = link(json!({"initiator_target_map": {"10000000c9000002": ["5001438012345678"]}}));
    bring(&fake, &wanted).unwrap();
    assert_eq!(disks(&fake), ["8:0:5:3"]);
}

#[test]
fn a_host_without_a_way_hears_why() {
    let fake = Fake::new(&[(3, "three")]);
    let refused = |fake: &Fake| bring(fake, &link(json!({}))).unwrap_err().to_string();
    assert!(refused(&fake).contains("no Fibre Channel port"), "{}", refused(&fake));
    fake.fibre_channel(7, OWN[0], "0x5001438012340000");
    let error = refused(&fake);
    assert!(error.contains("ports 10000000c9000001 see none of the storage's 5001438012345678"), "{error}");
    fake.write("sys/class/fc_remote_ports/rport-7:0-2/port_name", STORAGE[0]);
    fake.write("sys/class/fc_host/host7/port_state", "Linkdown\n");
    assert!(refused(&fake).contains("10000000c9000001 (not online)"), "{}", refused(&fake));
    assert!(disks(&fake).is_empty());
    fake.write("sys/class/fc_host/host7/port_state", "Online\n");
    fake.show(3, None);
    let error = refused(&fake);
    assert!(error.contains("7:0:5:3 did not appear"), "{error}");
}
