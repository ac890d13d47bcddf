//! Volumes of containers: engines and the plugin in two guests, volumes from one Cinder.

use anyhow::{Context, Result, ensure};
use guests::storage::{Cinder, NFS};
use guests::{Instance, TENANT, both, text};
use serde_json::Value;

use crate::{Case, Stage};

pub(crate) const CASES: &[Case] = &[
    ("a_volume_goes_with_its_container_to_another_guest", a_volume_goes_with_its_container),
    ("one_of_two_guests_that_want_a_volume_gets_it_and_the_other_is_told", two_want_one),
    ("an_existing_volume_is_used_by_its_id_and_given_back", an_existing_volume_is_used),
    ("a_volume_in_a_file_of_an_nfs_export_goes_to_another_guest", a_file_goes_to_another_guest),
    ("a_volume_is_found_again_by_a_guest_that_was_killed", a_guest_is_killed),
    ("a_share_is_written_in_containers_of_two_guests_at_once", a_share_is_written_on_both),
];

const VOLUME: &str = "my_vol:/data";

fn a_volume_goes_with_its_container(stage: &mut Stage) -> Result<()> {
    stage.serve_volumes()?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    create(one)?;
    ensure!(one.docker(&["volume", "ls", "--quiet"])? == "my_vol");
    let cloud = &stage.world.cloud;
    cloud.clear_log()?;
    sh(one, "echo hello > /data/greeting")?;
    let calls = cloud.calls()?;
    let changes: Vec<&str> =
        calls.iter().filter(|call| call.method != "GET").map(|call| call.method.as_str()).collect();
    let attachments = calls.iter().filter(|call| call.path.contains("/attachments")).count();
    // Claim and export, done, give back; and one of the volume's metadata before and after it is formatted.
    ensure!(attachments == 3, "{changes:?}: {calls:?}");
    let found: Value = serde_json::from_str(&two.docker(&["volume", "inspect", "my_vol"])?)?;
    ensure!(text(&found, "/0/Driver") == "fuxi", "{found}");
    ensure!(sh(two, "cat /data/greeting; echo back > /data/answer")? == "hello");
    ensure!(sh(one, "cat /data/answer")? == "back");
    // As ext4, and with 1 GiB.
    let line = sh(one, "grep ' /data ' /proc/mounts")?;
    ensure!(line.contains(" ext4 "), "{line}");
    one.docker(&["volume", "rm", "my_vol"])?;
    ensure!(two.docker_fails(&["volume", "inspect", "my_vol"])?.to_lowercase().contains("no such volume"));
    Ok(())
}

fn two_want_one(stage: &mut Stage) -> Result<()> {
    stage.serve_volumes()?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    create(one)?;
    two.docker(&["volume", "inspect", "my_vol"])?;
    let take = |instance: &Instance| Ok(hold(instance).map_err(|error| format!("{error:#}")));
    let (first, second) = both(|| take(one), || take(two))?;
    let (winner, loser, told) = match (first, second) {
        (Ok(()), Err(told)) => (one, two, told),
        (Err(told), Ok(())) => (two, one, told),
        other => anyhow::bail!("not exactly one got it: {other:?}"),
    };
    ensure!(told.contains("my_vol") && told.contains("in use"), "{told}");
    loser.remove("holder")?;
    // It is the winner's for as long as its container runs, and usable.
    winner.docker(&["exec", "holder", "sh", "-c", "echo won > /data/file"])?;
    ensure!(sh(loser, "true").is_err(), "the volume is on two guests");
    winner.remove("holder")?;
    ensure!(sh(loser, "cat /data/file")? == "won");
    // Where it was made: the other engine would keep its name in mind.
    one.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn an_existing_volume_is_used(stage: &mut Stage) -> Result<()> {
    stage.serve_volumes()?;
    let cinder = Cinder::of(&stage.world, TENANT)?;
    let volume = cinder.make("theirs", None)?;
    let one = &stage.pair.one;
    let by_id = format!("volume_id={}", volume.id);
    one.docker(&["volume", "create", "--driver", "fuxi", "--name", "my_vol", "--opt", &by_id])?;
    // Nobody has put a filesystem on it, and we must not.
    let refused = sh(one, "true").map_err(|error| format!("{error:#}"));
    ensure!(refused.as_ref().is_err_and(|told| told.contains("filesystem")), "{refused:?}");
    volume.await_status("available")?;
    let attachment = volume.attach(&one.connector()?)?;
    let device = one.log_in(&attachment.info)?;
    one.guest.must(&["mkfs.xfs", "-q", &device])?;
    one.log_out(&attachment.info)?;
    attachment.delete()?;
    volume.await_status("available")?;
    sh(one, "echo kept > /data/file")?;
    one.docker(&["volume", "rm", "my_vol"])?;
    let shown = cinder.session.call("GET", &format!("/volumes/{}", volume.id), None)?;
    ensure!(text(&shown, "/volume/status") == "available", "{shown}");
    volume.delete()
}

fn a_file_goes_to_another_guest(stage: &mut Stage) -> Result<()> {
    stage.serve_volumes()?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    let kind = format!("volume_type={NFS}");
    one.docker(&["volume", "create", "--driver", "fuxi", "--name", "my_vol", "--opt", &kind])?;
    sh(one, "echo hello > /data/greeting")?;
    ensure!(sh(two, "cat /data/greeting")? == "hello");
    // Where it was made: the other engine would keep its name in mind.
    one.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn a_guest_is_killed(stage: &mut Stage) -> Result<()> {
    stage.serve_volumes()?;
    create(&stage.pair.one)?;
    hold(&stage.pair.one)?;
    let one = &mut stage.pair.one;
    one.docker(&["exec", "holder", "sh", "-c", "echo written > /data/file; sync"])?;
    one.guest.must(&["sync"])?;
    one.guest.kill();
    one.guest.boot()?;
    one.ready_for_storage()?;
    one.serve_volumes()?;
    one.docker(&["start", "holder"])?;
    ensure!(one.docker(&["exec", "holder", "cat", "/data/file"])? == "written");
    one.remove("holder")?;
    one.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn a_share_is_written_on_both(stage: &mut Stage) -> Result<()> {
    stage.serve_volumes()?;
    let (one, two) = (&stage.pair.one, &stage.pair.two);
    let options = ["--opt", "volume_provider=manila", "--opt", "size=1"];
    let create = ["volume", "create", "--driver", "fuxi", "--name", "my_share"];
    one.docker(&[&create[..], &options].concat())?;
    for instance in [one, two] {
        instance.run("holder", &["--network", "none", "--volume-driver", "fuxi", "-v", "my_share:/data"])?;
    }
    let exec = |instance: &Instance, script: &str| instance.docker(&["exec", "holder", "sh", "-c", script]);
    exec(one, "echo from one > /data/first")?;
    ensure!(exec(two, "cat /data/first; echo from two > /data/second")? == "from one");
    ensure!(exec(one, "cat /data/second")? == "from two");
    ensure!(exec(one, "grep ' /data ' /proc/mounts")?.contains(" nfs4 "));
    // Whoever leaves takes his own rule along, and the other goes on.
    one.remove("holder")?;
    ensure!(one.docker_fails(&["volume", "rm", "my_share"])?.contains("my_share"));
    exec(two, "echo alone > /data/third")?;
    two.remove("holder")?;
    one.docker(&["volume", "rm", "my_share"]).map(drop)
}

/// As Fuxi's users wrote it.
fn create(instance: &Instance) -> Result<()> {
    let options = ["--opt", "size=1", "--opt", "fstype=ext4"];
    let create = ["volume", "create", "--driver", "fuxi", "--name", "my_vol"];
    ensure!(instance.docker(&[&create[..], &options].concat())? == "my_vol");
    Ok(())
}

/// A container that runs on and has the volume.
fn hold(instance: &Instance) -> Result<()> {
    let args = ["--network", "none", "--volume-driver", "fuxi", "-v", VOLUME];
    instance.run("holder", &args).map(drop)
}

/// A container with the volume that runs a script; what it prints, trimmed.
fn sh(instance: &Instance, script: &str) -> Result<String> {
    let run = ["run", "--rm", "--network", "none", "--volume-driver", "fuxi", "-v", VOLUME, "busybox"];
    instance.docker(&[&run[..], &["sh", "-c", script]].concat()).with_context(|| script.to_owned())
}
