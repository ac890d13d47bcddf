//! What users get wrong and what can be wrong around us: one line that helps, and nothing left behind. The latter is
//! checked after every case.

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::World;

use crate::Case;
use crate::addresses::{delete_port, make_port, network_of};
use crate::adopted::{delete_network, make_network};
use crate::networks::{create, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("an_unknown_network_option_is_refused_with_the_nearest_known_one", network_option),
    ("a_malformed_network_uuid_is_refused", malformed_uuid),
    ("a_network_that_does_not_exist_is_refused", no_network),
    ("a_name_that_matches_two_networks_is_refused_naming_both", two_networks),
    ("a_cidr_that_overlaps_a_subnet_of_the_reused_network_is_refused", cidr_taken),
    ("an_address_outside_the_subnet_is_refused", outside),
    ("a_gateway_other_than_the_reused_subnets_is_refused", gateway),
    ("a_volume_size_of_zero_or_text_is_refused", size),
    ("an_unknown_filesystem_is_refused", filesystem),
    ("an_unknown_volume_option_is_refused_with_the_nearest_known_one", volume_option),
    ("a_volume_id_that_is_none_is_refused", volume_id),
    ("a_volume_name_with_dots_and_slashes_is_refused", dotted),
    ("wrong_credentials_are_named_as_such", credentials),
    ("an_unreachable_cloud_is_named_as_such_and_the_repeat_succeeds", unreachable),
    ("a_used_up_network_quota_is_named_as_such", network_quota),
    ("a_used_up_port_quota_is_named_as_such", port_quota),
    ("a_used_up_volume_quota_is_named_as_such", volume_quota),
    ("a_full_disk_fails_the_operation_and_leaves_nothing", full_disk),
];

fn network_fails(world: &World, args: &[&str]) -> Result<String> {
    one_line(world.create_network_fails("bad", args)?)
}

fn volume_fails(world: &World, options: &[&str]) -> Result<String> {
    let mut args = vec!["volume", "create", "-d", "fuxi"];
    for option in options {
        args.extend(["-o", option]);
    }
    args.push("bad");
    one_line(world.docker_fails(&args)?)
}

fn one_line(error: String) -> Result<String> {
    ensure!(error.lines().count() == 1, "more than one line: {error}");
    Ok(error)
}

fn network_option(world: &mut World) -> Result<()> {
    let error = network_fails(world, &["--subnet", "10.20.0.0/24", "-o", "neutron.net.uid=x"])?;
    ensure!(error.contains("neutron.net.uid") && error.contains("neutron.net.uuid"), "{error}");
    Ok(())
}

fn malformed_uuid(world: &mut World) -> Result<()> {
    let error = network_fails(world, &["--subnet", "10.20.0.0/24", "-o", "neutron.net.uuid=not-a-uuid"])?;
    ensure!(error.contains("not-a-uuid") && error.to_lowercase().contains("uuid"), "{error}");
    Ok(())
}

fn no_network(world: &mut World) -> Result<()> {
    let id = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
    let error = network_fails(world, &["--subnet", "10.20.0.0/24", "-o", &format!("neutron.net.uuid={id}")])?;
    ensure!(error.contains(id), "{error}");
    let error = network_fails(world, &["--subnet", "10.20.0.0/24", "-o", "neutron.net.name=nobody"])?;
    ensure!(error.contains("nobody"), "{error}");
    Ok(())
}

fn two_networks(world: &mut World) -> Result<()> {
    let ids = [make_network(world, "same", None)?, make_network(world, "same", None)?];
    let error = network_fails(world, &["--subnet", "10.20.0.0/24", "-o", "neutron.net.name=same"])?;
    ensure!(ids.iter().all(|id| error.contains(id)), "{error}");
    ids.iter().try_for_each(|id| delete_network(world, id))
}

fn cidr_taken(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    let error = network_fails(world, &["--subnet", "10.30.0.0/16", "-o", &option])?;
    ensure!(error.contains("10.30.0.0/24"), "{error}");
    delete_network(world, &id)
}

fn outside(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let args = ["run", "--network", "foo", "--ip", "10.99.0.5", "--name", "one", "busybox", "true"];
    let error = world.docker_fails(&args)?;
    ensure!(!error.is_empty(), "no text");
    remove(world, &["one"], &["foo"])
}

fn gateway(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.30.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    let error = network_fails(world, &["--subnet", "10.30.0.0/24", "--gateway", "10.30.0.9", "-o", &option])?;
    ensure!(error.contains("gateway") && error.contains("10.30.0.1"), "{error}");
    delete_network(world, &id)
}

fn size(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    for bad in ["0", "many", "-1", "99999999999999999999"] {
        let error = volume_fails(world, &[&format!("size={bad}")])?;
        ensure!(error.contains("size") && error.contains(bad), "{error}");
    }
    Ok(())
}

fn filesystem(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let error = volume_fails(world, &["size=1", "fstype=ext5"])?;
    ensure!(error.contains("ext5") && error.contains("ext4"), "{error}");
    Ok(())
}

fn volume_option(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let error = volume_fails(world, &["sizes=1"])?;
    ensure!(error.contains("sizes") && error.contains("`size`"), "{error}");
    Ok(())
}

fn volume_id(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let error = volume_fails(world, &["volume_id=nonsense"])?;
    ensure!(error.contains("nonsense"), "{error}");
    let id = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6";
    let error = volume_fails(world, &[&format!("volume_id={id}")])?;
    ensure!(error.contains(id), "{error}");
    Ok(())
}

fn dotted(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let error = world.docker_fails(&["volume", "create", "-d", "fuxi", "../escape"])?;
    ensure!(error.contains("escape"), "{error}");
    ensure!(!world.dir().join("escape").exists());
    Ok(())
}

fn restart_with(world: &mut World, user: &str, password: &str) -> Result<()> {
    world.write_config(user, password)?;
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    world.start_plugin()
}

fn credentials(world: &mut World) -> Result<()> {
    restart_with(world, "demo", "wrong-canary-7431")?;
    let network = network_fails(world, &["--subnet", "10.20.0.0/24"])?;
    let volume = if world.has_volumes() { Some(volume_fails(world, &["size=1"])?) } else { None };
    let log = world.plugin_log();
    restart_with(world, "demo", "secret")?;
    for error in [Some(&network), volume.as_ref()].into_iter().flatten() {
        ensure!(error.contains("401") || error.to_lowercase().contains("credential"), "{error}");
        ensure!(!error.contains("canary"), "the password is in the text: {error}");
    }
    ensure!(!log.contains("canary"), "the password is in the log");
    Ok(())
}

fn unreachable(world: &mut World) -> Result<()> {
    world.stop_cloud();
    let network = network_fails(world, &["--subnet", "10.20.0.0/24"]);
    world.start_cloud()?;
    let network = network?;
    ensure!(network.contains("reach") || network.contains("refused"), "{network}");
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    remove(world, &[], &["foo"])
}

fn quota(world: &World, service: &str, body: serde_json::Value) -> Result<()> {
    world.cloud.api_as("admin", "PUT", service, Some(body)).map(drop)
}

fn network_quota(world: &mut World) -> Result<()> {
    let path = format!("/networking/v2.0/quotas/{}", world.cloud.project("demo")?);
    quota(world, &path, json!({"quota": {"network": 0}}))?;
    let error = network_fails(world, &["--subnet", "10.20.0.0/24"]);
    world.cloud.api_as("admin", "DELETE", &path, None)?;
    let error = error?;
    ensure!(error.to_lowercase().contains("quota"), "{error}");
    Ok(())
}

fn port_quota(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let path = format!("/networking/v2.0/quotas/{}", world.cloud.project("demo")?);
    quota(world, &path, json!({"quota": {"port": 0}}))?;
    let error = world.docker_fails(&["run", "--network", "foo", "--name", "one", "busybox", "true"]);
    world.cloud.api_as("admin", "DELETE", &path, None)?;
    let error = error?;
    ensure!(error.to_lowercase().contains("quota"), "{error}");
    let network = network_of(world, "10.20.0.0/24")?;
    let port = make_port(world, &network, "10.20.0.99", json!({}))?;
    delete_port(world, text(&port, "id"))?;
    remove(world, &["one"], &["foo"])
}

fn volume_quota(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    let project = world.cloud.project("demo")?;
    let path = format!("/volume/v3/{}/os-quota-sets/{project}", world.cloud.project("admin")?);
    quota(world, &path, json!({"quota_set": {"volumes": 0}}))?;
    let error = volume_fails(world, &["size=1"]);
    quota(world, &path, json!({"quota_set": {"volumes": 10}}))?;
    let error = error?;
    ensure!(error.to_lowercase().contains("quota"), "{error}");
    Ok(())
}

/// The state directory on a file system without a free block.
fn full_disk(world: &mut World) -> Result<()> {
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    let path = world.state_dir().to_string_lossy().into_owned();
    let fill = format!("{path}/fill");
    inside(world, "mount", &["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", &path])?;
    world.start_plugin()?;
    // The last write hits the end of the disk and says so; that is the point.
    let _ = inside(world, "dd", &["if=/dev/zero", &format!("of={fill}"), "bs=4096"]);
    let network = network_fails(world, &["--subnet", "10.20.0.0/24"]);
    let volume = if world.has_volumes() { Some(volume_fails(world, &["size=1"])) } else { None };
    inside(world, "rm", &["-f", &fill])?;
    let freed = create(world, "foo", "10.20.0.0/24", "10.20.0.1").and_then(|_| remove(world, &[], &["foo"]));
    let stopped = world.stop_plugin();
    inside(world, "umount", &[&path])?;
    world.start_plugin()?;
    for error in std::iter::once(network).chain(volume) {
        let error = error?;
        ensure!(error.to_lowercase().contains("space") || error.to_lowercase().contains("disk"), "{error}");
    }
    ensure!(stopped, "the plugin did not stop in order");
    freed
}

fn inside(world: &World, program: &str, args: &[&str]) -> Result<()> {
    let output = world.host().command(program).args(args).output()?;
    ensure!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
