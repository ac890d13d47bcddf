//! Storage and clouds that take longer than anybody likes to wait. These cases sleep for minutes, so they run beside the
//! others; the longest come first.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{World, wait_until};

use crate::Case;
use crate::networks::text;
use crate::volumes::{RUN, create, inside_host, sh, volume_named, wait_for_status};

pub(crate) const CASES: &[Case] = &[
    ("a_reservation_that_died_with_our_own_claim_is_ended_and_the_volume_mounted", dead_claim),
    ("h16_a_mount_that_docker_gave_up_goes_on_and_a_repeat_joins_it", docker_gives_up),
    ("h16_docker_hears_of_a_volume_stuck_in_creation_and_of_a_long_mount_and_repeats_join", told_in_time),
    ("h55_storage_that_takes_40_s_is_waited_for_and_holds_up_no_other_volume", slow_storage),
];

/// How long Docker waits for a plugin's answer to Create and Mount.
const DOCKER_WAITS: Duration = Duration::from_secs(120);

fn set_faults(world: &World, faults: &Value) -> Result<()> {
    world.cloud.admin("POST", "options", Some(json!({"volume_faults": faults}))).map(drop)
}

/// A command of Docker's that runs while we do something else.
fn begin(world: &World, args: &[&str]) -> Result<Child> {
    Ok(world.docker.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// What it printed; it must have succeeded.
fn succeeds(command: Child) -> Result<String> {
    let output = command.wait_with_output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Its error text.
fn fails(command: Child) -> Result<String> {
    let output = command.wait_with_output()?;
    ensure!(!output.status.success(), "it succeeded: {output:?}");
    Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// How often that was ordered of Cinder since the log was cleared.
fn orders(world: &World, collection: &str) -> Result<usize> {
    let calls = world.cloud.calls()?;
    Ok(calls.iter().filter(|c| c.method == "POST" && c.path.ends_with(collection)).count())
}

fn attachments(world: &World, volume: &str) -> Result<Vec<Value>> {
    let id = text(&volume_named(world, volume)?, "id").to_owned();
    let path = format!("/volume/v3/{}/attachments?volume_id={id}", world.cloud.project("demo")?);
    let list = world.cloud.api("GET", &path, None)?;
    list["attachments"].as_array().cloned().with_context(|| format!("no list: {list}"))
}

/// `mkfs.ext4` of the host, which does not begin before it is let go. What it is asked for meanwhile waits.
struct HeldMkfs {
    dir: PathBuf,
    program: String,
}

impl HeldMkfs {
    fn hold(world: &World) -> Result<Self> {
        let dir = world.dir().join("mkfs");
        fs::create_dir_all(&dir)?;
        let find = "readlink --canonicalize \"$(command -v mkfs.ext4)\"";
        let program = inside_host(world, "sh", &["-c", find])?;
        let (copy, script) = (dir.join("mkfs.ext4"), dir.join("held"));
        inside_host(world, "cp", &[&program, &copy.to_string_lossy()])?;
        let text = format!(
            "#!/bin/sh\necho run >> {0}/runs\nwhile [ ! -e {0}/go ]; do sleep 0.1; done\nexec {1} \"$@\"\n",
            dir.display(),
            copy.display()
        );
        fs::write(&script, text)?;
        let script = script.to_string_lossy().into_owned();
        inside_host(world, "chmod", &["0755", &script])?;
        inside_host(world, "mount", &["--bind", &script, &program])?;
        Ok(Self { dir, program })
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.dir.join("runs")).unwrap_or_default().lines().count()
    }

    fn let_go(&self) -> Result<()> {
        Ok(fs::write(self.dir.join("go"), "")?)
    }

    fn end(self, world: &World) -> Result<()> {
        inside_host(world, "umount", &[&self.program])?;
        Ok(fs::remove_dir_all(&self.dir)?)
    }
}

const CAT: [&str; 9] =
    ["run", "--rm", "--network", "none", "-v", "my_vol:/data", "busybox", "cat", "/data/file"];

/// The plugin and the export died while the storage was at work; Cinder keeps such a reservation for ever. It is ours if
/// it is the only one, and dead once no storage can still be at it.
fn dead_claim(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    sh(world, "my_vol", "echo kept > /data/file")?;
    wait_for_status(world, "my_vol", "available")?;
    world.cloud.clear_log()?;
    set_faults(world, &json!({"connect_ms": 3000, "next_connect_fails": 1}))?;
    let first = begin(world, &CAT)?;
    wait_for_status(world, "my_vol", "reserved")?;
    world.kill_plugin();
    wait_until("the export has failed", || {
        let options = world.cloud.admin("GET", "options", None).unwrap_or_default();
        options.pointer("/volume_faults/next_connect_fails").is_some_and(|left| left == 0)
    })?;
    set_faults(world, &json!({}))?;
    let died = Instant::now();
    world.start_plugin()?;
    let mut error = fails(first)?;
    let dead = attachments(world, "my_vol")?;
    ensure!(dead.len() == 1 && text(&dead[0], "status") == "reserved", "{dead:?}");
    let said = loop {
        ensure!(died.elapsed() < Duration::from_secs(300), "the volume is not free: {error}");
        let output = world.docker.try_run(&CAT)?;
        if output.status.success() {
            break String::from_utf8_lossy(&output.stdout).trim().to_owned();
        }
        error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        ensure!(error.contains("still busy to mount it") && error.contains("repeat the command"), "{error}");
    };
    ensure!(said == "kept", "{said}");
    // Until then a storage system may still be at it.
    ensure!(died.elapsed() > Duration::from_secs(150), "ended after {:?}", died.elapsed());
    ensure!(orders(world, "/attachments")? == 2, "{:?}", world.cloud.calls()?);
    let now = attachments(world, "my_vol")?;
    ensure!(now.iter().all(|a| a["id"] != dead[0]["id"]), "the dead one is still there: {now:?}");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

/// The plugin cannot even say that it is busy: Docker gives up by itself, and sends no Unmount.
fn docker_gives_up(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    let mkfs = HeldMkfs::hold(world)?;
    world.cloud.clear_log()?;
    let started = Instant::now();
    let first = begin(world, &RUN)?;
    wait_until("the filesystem is being made", || mkfs.runs() == 1)?;
    world.freeze_plugin(true);
    let error = fails(first);
    world.freeze_plugin(false);
    let (error, waited) = (error?, started.elapsed());
    ensure!(error.contains("deadline exceeded"), "{error}");
    ensure!(waited >= DOCKER_WAITS && waited < DOCKER_WAITS + Duration::from_secs(30), "{waited:?}");
    world.remove("one")?;
    let again = begin(world, &RUN)?;
    mkfs.let_go()?;
    succeeds(again).context("the repeat")?;
    one_mount(world, mkfs)
}

/// The container that the repeat started has a volume that was attached and formatted once.
fn one_mount(world: &World, mkfs: HeldMkfs) -> Result<()> {
    world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file"])?;
    ensure!(orders(world, "/attachments")? == 1, "{:?}", world.cloud.calls()?);
    ensure!(attachments(world, "my_vol")?.len() == 1);
    ensure!(mkfs.runs() == 1, "it was formatted {} times", mkfs.runs());
    mkfs.end(world)?;
    world.remove("one")?;
    ensure!(sh(world, "my_vol", "cat /data/file")? == "kept");
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

fn told_in_time(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    let mkfs = HeldMkfs::hold(world)?;
    set_faults(world, &json!({"stuck_creating": true}))?;
    world.cloud.clear_log()?;
    let make = ["volume", "create", "--driver", "fuxi", "--opt", "size=1", "stuck"];
    let started = Instant::now();
    let commands = [("create it", begin(world, &make)?), ("mount it", begin(world, &RUN)?)];
    for (doing, command) in commands {
        let error = fails(command)?;
        let told = error.contains(&format!("still busy to {doing}")) && error.contains("repeat the command");
        ensure!(told, "{error}");
    }
    ensure!(started.elapsed() < DOCKER_WAITS, "Docker was faster: {:?}", started.elapsed());
    ensure!(text(&volume_named(world, "stuck")?, "status") == "creating");
    world.remove("one")?;
    let (making, mounting) = (begin(world, &make)?, begin(world, &RUN)?);
    set_faults(world, &json!({}))?;
    mkfs.let_go()?;
    succeeds(making).context("the repeated creation")?;
    succeeds(mounting).context("the repeated mount")?;
    ensure!(orders(world, "/volumes")? == 1, "{:?}", world.cloud.calls()?);
    one_mount(world, mkfs)?;
    ensure!(sh(world, "stuck", "touch /data/file && ls /data/file")? == "/data/file");
    world.docker(&["volume", "rm", "stuck"]).map(drop)
}

fn slow_storage(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    create(world, "my_vol", &["size=1"])?;
    create(world, "other", &["size=1"])?;
    set_faults(world, &json!({"connect_ms": 40_000}))?;
    world.cloud.clear_log()?;
    let started = Instant::now();
    let first = begin(world, &RUN)?;
    wait_for_status(world, "my_vol", "reserved")?;
    // Only this one is slow.
    set_faults(world, &json!({}))?;
    let second = ["run", "--rm", "--network", "none", "-v", "my_vol:/data", "busybox", "touch", "/data/two"];
    let second = begin(world, &second)?;
    let mut served = 0;
    while served < 3 || started.elapsed() < Duration::from_secs(25) {
        sh(world, "other", "echo x >> /data/file")?;
        served += 1;
    }
    ensure!(started.elapsed() < Duration::from_secs(40), "the others waited too: {:?}", started.elapsed());
    succeeds(first).context("the container on slow storage")?;
    succeeds(second).context("the second container on slow storage")?;
    ensure!(started.elapsed() >= Duration::from_secs(40), "it was not slow: {:?}", started.elapsed());
    ensure!(world.docker(&["exec", "one", "ls", "/data/two"])? == "/data/two");
    ensure!(orders(world, "/attachments")? == 1 + served, "{:?}", world.cloud.calls()?);
    ensure!(attachments(world, "my_vol")?.len() == 1);
    world.remove("one")?;
    world.docker(&["volume", "rm", "my_vol", "other"]).map(drop)
}
