//! Volumes over iSCSI, without the plugin: what connectors will stand on.

use anyhow::{Context, Result, ensure};
use guests::Instance;
use guests::storage::{Attachment, MULTIATTACH, Volume};

use crate::{Case, Stage};

pub(crate) const CASES: &[Case] = &[
    ("a_volume_written_on_one_guest_is_read_on_another", a_volume_moves),
    ("a_volume_that_one_guest_has_is_refused_to_another", a_volume_is_had_once),
    ("a_volume_for_several_is_on_two_guests_at_the_same_time", a_volume_for_several),
];

const MOUNT: &str = "/mnt";

fn a_volume_moves(stage: &mut Stage) -> Result<()> {
    let volume = stage.cinder()?.make("moves", None)?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    let (attachment, device) = connect(one, &volume)?;
    // A new volume holds nothing that looks like a filesystem, whatever its place held before.
    ensure!(!one.guest.run(&["blkid", "--probe", &device])?.status.success(), "something is on {device}");
    one.guest.must(&["mkfs.ext4", "-q", &device])?;
    one.guest.must(&["mount", &device, MOUNT])?;
    one.guest.write(&format!("{MOUNT}/written"), "on one")?;
    disconnect(one, attachment)?;
    volume.await_status("available")?;
    let (attachment, device) = connect(two, &volume)?;
    two.guest.must(&["mount", &device, MOUNT])?;
    let read = two.guest.must(&["cat", &format!("{MOUNT}/written")])?;
    ensure!(read == "on one", "{read}");
    disconnect(two, attachment)?;
    volume.delete()
}

fn a_volume_is_had_once(stage: &mut Stage) -> Result<()> {
    let volume = stage.cinder()?.make("once", None)?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    let attachment = volume.attach(&one.connector()?)?;
    // Claimed is had, connected or not.
    for _ in 0..2 {
        let refused = volume.attach(&two.connector()?).map(drop).map_err(|error| format!("{error:#}"));
        ensure!(refused.as_ref().is_err_and(|error| error.contains(": 400 ")), "{refused:?}");
        attachment.complete()?;
        volume.await_status("in-use")?;
    }
    attachment.delete()?;
    volume.delete()
}

fn a_volume_for_several(stage: &mut Stage) -> Result<()> {
    let volume = stage.cinder()?.make("several", Some(MULTIATTACH))?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    let ((a, on_one), (b, on_two)) = (connect(one, &volume)?, connect(two, &volume)?);
    one.guest.must(&["dd", "if=/etc/hostname", &format!("of={on_one}"), "conv=fsync", "status=none"])?;
    let wrote = one.guest.must(&["cat", "/etc/hostname"])?;
    // Past the cache: whoever looked at the disk as it came has its beginning there as it was then.
    let from = format!("if={on_two}");
    let read = two.guest.must(&["dd", &from, "bs=4k", "count=1", "iflag=direct", "status=none"])?;
    ensure!(read.starts_with(&wrote), "{read:?} instead of {wrote:?}");
    disconnect(one, a)?;
    // The other one's connection stays.
    two.guest.must(&["dd", &format!("if={on_two}"), "of=/dev/null", "bs=4k", "count=1", "iflag=direct"])?;
    disconnect(two, b)?;
    volume.delete()
}

/// Attaches a volume to an instance and connects it there; the device.
fn connect<'a>(instance: &Instance, volume: &'a Volume) -> Result<(Attachment<'a>, String)> {
    let attachment = volume.attach(&instance.connector()?)?;
    let device = instance.log_in(&attachment.info).context("log in")?;
    attachment.complete()?;
    volume.await_status("in-use")?;
    Ok((attachment, device))
}

/// The way back; what is mounted is unmounted first.
fn disconnect(instance: &Instance, attachment: Attachment<'_>) -> Result<()> {
    if instance.guest.run(&["mountpoint", "-q", MOUNT])?.status.success() {
        instance.guest.must(&["umount", MOUNT])?;
    }
    instance.log_out(&attachment.info)?;
    attachment.delete()
}
