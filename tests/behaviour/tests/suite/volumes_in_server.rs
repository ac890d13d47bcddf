//! Volumes of a host that is a server of Nova's (`volume_connector = openstack`).

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Call, World, wait_until};

use crate::Case;
use crate::crashes::at_every_call;
use crate::networks::text;
use crate::volumes::{
    RUN, backing_file, create, delete_volume, inside_host, make_volume, sh, volume_named, wait_for_status,
};

pub(crate) const CASES: &[Case] = &[
    ("h45_a_volume_of_a_server_comes_through_nova_and_goes_back_through_it", through_nova),
    ("h02_a_volume_adopted_by_a_server_keeps_its_data_and_is_given_back_as_found", adopted),
    ("h35_a_volume_of_another_server_is_taken_only_when_nova_says_it_is_off_or_gone", from_the_dead),
    ("h32_a_server_whose_firmware_names_another_one_attaches_nothing", contradicted),
    ("a_crash_during_a_mount_through_nova_loses_nothing", crash_mount),
    ("a_crash_during_an_unmount_through_nova_loses_nothing", crash_unmount),
];

/// Who this host is to Nova.
const SERVER: &str = "5e5e5e5e-1122-4000-8000-000000000001";
/// Another one, which nothing runs in.
const OTHER: &str = "0d0d0d0d-1122-4000-8000-000000000002";
const NOVA: &str = "/compute/v2.1/*";
/// `/sys/class` with another firmware: this kernel may have none. The other classes stay what they are.
const FIRMWARE: &str = r#"
set -e
mkdir -p "$2"
mount -t tmpfs tmpfs "$2"
mkdir -p "$2/dmi/id"
echo "$1" > "$2/dmi/id/product_uuid"
for class in /sys/class/*; do
    name=${class##*/}
    if [ "$name" != dmi ]; then
        mkdir "$2/$name"
        mount --bind "$class" "$2/$name"
    fi
done
mount --rbind "$2" /sys/class
"#;

/// The host becomes a server of Nova's, with a firmware that says so, for one case.
fn in_server(world: &mut World, case: fn(&mut World) -> Result<()>) -> Result<()> {
    in_server_with(world, SERVER, case)
}

fn in_server_with(world: &mut World, firmware: &str, case: fn(&mut World) -> Result<()>) -> Result<()> {
    world.needs_volumes()?;
    register(world, SERVER, "ACTIVE")?;
    // Nova answers first and acts later.
    set_servers(world, &json!({"attach_delay_ms": 200, "detach_delay_ms": 200}))?;
    let class = world.dir().join("class").to_string_lossy().into_owned();
    inside_host(world, "sh", &["-c", FIRMWARE, "firmware", firmware, &class])?;
    let file = world.dir().join("fuxi.conf");
    let usual = std::fs::read_to_string(&file)?;
    let base = world.cloud.auth_url().replace("/identity/v3", "");
    let special = usual.replace("volume_connector = osbrick", "volume_connector = openstack");
    ensure!(special != usual, "{usual}");
    let nova = format!("[nova]\nauth_section = cinder\nmetadata_url = {base}/metadata/{SERVER}\n");
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    std::fs::write(&file, special + &nova)?;
    forget_machine(world)?;
    let outcome = world.start_plugin().and_then(|()| case(world));
    world.stop_plugin();
    std::fs::write(&file, usual)?;
    forget_machine(world)?;
    inside_host(world, "umount", &["--recursive", "/sys/class"])?;
    inside_host(world, "umount", &["--recursive", &class])?;
    world.start_plugin()?;
    outcome?;
    register(world, SERVER, "DELETED")?;
    set_servers(world, &json!({}))
}

/// The state directory is bound to the machine that the firmware names, and this is the same one by another name. One without
/// a name, such as an unpacked release, is not written down.
fn forget_machine(world: &World) -> Result<()> {
    match std::fs::remove_file(world.state_dir().join("machine")) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.context("the state directory's machine"),
    }
}

/// Makes a server of the tenant's, or changes it.
fn register(world: &World, id: &str, status: &str) -> Result<()> {
    let server = json!({"id": id, "name": "vm", "project": "demo", "status": status});
    world.cloud.admin("POST", "servers", Some(server)).map(drop)
}

fn set_servers(world: &World, options: &Value) -> Result<()> {
    world.cloud.admin("POST", "options", Some(json!({"servers": options}))).map(drop)
}

/// Calls that order something, as `METHOD part-after-the-ids`.
fn orders(world: &World) -> Result<Vec<String>> {
    let is_order = |call: &Call| call.method != "GET";
    let short = |call: Call| {
        let kind = ["/os-volume_attachments", "/attachments", "/action", "/metadata"];
        let kind = kind.into_iter().find(|kind| call.path.contains(kind)).unwrap_or("another");
        format!("{} {kind}", call.method)
    };
    Ok(world.cloud.calls()?.into_iter().filter(is_order).map(short).collect())
}

fn server_of(world: &World, volume: &str) -> Result<String> {
    let volume = volume_named(world, volume)?;
    let attachment = volume["attachments"].get(0).with_context(|| format!("not attached: {volume}"))?;
    Ok(text(attachment, "server_id").to_owned())
}

fn disks(world: &World, server: &str) -> Result<usize> {
    let path = format!("/compute/v2.1/servers/{server}/os-volume_attachments");
    let list = world.cloud.api("GET", &path, None)?;
    list["volumeAttachments"].as_array().map(Vec::len).with_context(|| format!("no list: {list}"))
}

fn through_nova(world: &mut World) -> Result<()> {
    in_server(world, |world| {
        create(world, "my_vol", &["size=1"])?;
        ensure!(text(&volume_named(world, "my_vol")?, "status") == "available");
        world.cloud.clear_log()?;
        world.run("one", &["--network", "none", "-v", "my_vol:/data"])?;
        world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file"])?;
        ensure!(server_of(world, "my_vol")? == SERVER && disks(world, SERVER)? == 1);
        let mounting = orders(world)?;
        ensure!(mounting.first().is_some_and(|o| o == "POST /os-volume_attachments"), "{mounting:?}");
        ensure!(mounting.iter().all(|o| !o.ends_with(" /attachments")), "{mounting:?}");
        world.cloud.clear_log()?;
        world.run("two", &["--network", "none", "-v", "my_vol:/data"])?;
        ensure!(world.docker(&["exec", "two", "cat", "/data/file"])? == "kept");
        let calls = world.cloud.calls()?;
        ensure!(calls.is_empty(), "the second container asked the cloud: {calls:?}");
        world.remove("one")?;
        ensure!(text(&volume_named(world, "my_vol")?, "status") == "in-use" && disks(world, SERVER)? == 1);
        world.docker(&["exec", "two", "sh", "-c", "echo again >> /data/file"])?;
        world.cloud.clear_log()?;
        world.remove("two")?;
        wait_until("the server has let go", || disks(world, SERVER).is_ok_and(|n| n == 0))?;
        let unmounting = orders(world)?;
        ensure!(unmounting == ["DELETE /os-volume_attachments"], "{unmounting:?}");
        wait_for_status(world, "my_vol", "available")?;
        ensure!(sh(world, "my_vol", "cat /data/file")? == "kept\nagain");
        world.docker(&["volume", "rm", "my_vol"]).map(drop)
    })
}

fn adopted(world: &mut World) -> Result<()> {
    in_server(world, |world| {
        let id = make_volume(world, "theirs")?;
        let file = backing_file(world, &id)?;
        inside_host(world, "mkfs.ext4", &["-q", &file.to_string_lossy()])?;
        let before = world.inventory()?;
        create(world, "mine", &[&format!("volume_id={id}")])?;
        sh(world, "mine", "echo kept > /data/file")?;
        ensure!(sh(world, "mine", "cat /data/file")? == "kept");
        wait_for_status(world, "theirs", "available")?;
        world.docker(&["volume", "rm", "mine"])?;
        world.expect_clean(&before)?;
        delete_volume(world, &id)
    })
}

/// Has Nova give the volume to the other server.
fn give_to_other(world: &World, id: &str) -> Result<()> {
    wait_for_status(world, "heirloom", "available")?;
    register(world, OTHER, "ACTIVE")?;
    let path = format!("/compute/v2.1/servers/{OTHER}/os-volume_attachments");
    world.cloud.api("POST", &path, Some(json!({"volumeAttachment": {"volumeId": id}})))?;
    wait_for_status(world, "heirloom", "in-use")
}

fn from_the_dead(world: &mut World) -> Result<()> {
    const RUN: [&str; 9] =
        ["run", "--rm", "--network", "none", "-v", "heirloom:/data", "busybox", "cat", "/data/file"];
    in_server(world, |world| {
        create(world, "heirloom", &["size=1"])?;
        sh(world, "heirloom", "echo old > /data/file")?;
        let id = text(&volume_named(world, "heirloom")?, "id").to_owned();
        give_to_other(world, &id)?;
        let held = volume_named(world, "heirloom")?;
        for alive in ["ACTIVE", "PAUSED", "ERROR"] {
            register(world, OTHER, alive)?;
            let error = world.docker_fails(&RUN)?;
            ensure!(error.contains(OTHER) && error.contains("in use"), "{alive}: {error}");
            ensure!(volume_named(world, "heirloom")? == held, "{alive}: it was changed");
        }
        register(world, OTHER, "SHUTOFF")?;
        ensure!(world.docker(&RUN)? == "old");
        ensure!(disks(world, OTHER)? == 0, "the server that is off still has it");
        // A server that is gone, and an attachment that outlived it.
        give_to_other(world, &id)?;
        let fails = json!({"volume_faults": {"next_disconnect_fails": 1}});
        world.cloud.admin("POST", "options", Some(fails))?;
        register(world, OTHER, "DELETED")?;
        ensure!(server_of(world, "heirloom")? == OTHER);
        ensure!(world.docker(&RUN)? == "old");
        wait_for_status(world, "heirloom", "available")?;
        world.docker(&["volume", "rm", "heirloom"]).map(drop)
    })
}

fn contradicted(world: &mut World) -> Result<()> {
    in_server_with(world, OTHER, |world| {
        create(world, "my_vol", &["size=1"])?;
        world.cloud.clear_log()?;
        let run = ["run", "--rm", "--network", "none", "-v", "my_vol:/data", "busybox", "true"];
        let error = world.docker_fails(&run)?;
        let named = error.contains(SERVER) && error.contains(OTHER);
        ensure!(named && error.contains("contradict each other"), "{error}");
        ensure!(orders(world)?.is_empty(), "{:?}", orders(world)?);
        ensure!(text(&volume_named(world, "my_vol")?, "status") == "available");
        world.docker(&["volume", "rm", "my_vol"]).map(drop)
    })
}

fn crash_mount(world: &mut World) -> Result<()> {
    in_server(world, |world| {
        create(world, "my_vol", &["size=1"])?;
        at_every_call(world, NOVA, &RUN, |w| {
            ensure!(server_of(w, "my_vol")? == SERVER && disks(w, SERVER)? == 1);
            // Whatever was written before must still be there: a crash never formats again.
            w.docker(&["exec", "one", "sh", "-c", "echo x >> /data/rounds; sync"])?;
            w.remove("one")
        })?;
        let rounds = sh(world, "my_vol", "grep -c x /data/rounds")?;
        ensure!(rounds.parse::<u32>().unwrap_or_default() >= 4, "data was lost: {rounds} rounds left");
        world.docker(&["volume", "rm", "my_vol"]).map(drop)
    })
}

fn crash_unmount(world: &mut World) -> Result<()> {
    in_server(world, |world| {
        create(world, "my_vol", &["size=1"])?;
        world.docker(&RUN)?;
        world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file; sync"])?;
        at_every_call(world, NOVA, &["stop", "--time", "0", "one"], |w| {
            w.docker(&["start", "one"])?;
            ensure!(disks(w, SERVER)? == 1);
            let kept = w.docker(&["exec", "one", "cat", "/data/file"])?;
            ensure!(kept == "kept", "{kept}");
            Ok(())
        })?;
        world.remove("one")?;
        world.docker(&["volume", "rm", "my_vol"]).map(drop)
    })
}
