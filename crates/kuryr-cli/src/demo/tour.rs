//! The steps, each with a line of plain words and the real output.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use os::netns::{NetNs, run_in};

use super::cloud::EXISTING;
use super::stage::Stage;
use crate::error::Error;
use crate::output;

/// What the tour makes in the engine, by kind.
pub(super) const CONTAINERS: [&str; 5] = ["one", "two", "reuser", "fixed", "exposed"];
pub(super) const NETWORKS: [&str; 2] = ["foo", "my_reused_net"];
pub(super) const VOLUMES: [&str; 2] = ["my_vol", "my_reused_vol"];

/// Walks the whole tour; the first step that does not hold ends it.
pub(super) async fn walk(stage: &Stage) -> Result<(), Error> {
    own_network(stage)?;
    let network = reused_network(stage).await?;
    fixed_address(stage, &network).await?;
    exposed_ports(stage)?;
    own_volume(stage)?;
    reused_volume(stage).await?;
    output::line("");
    output::line("Every step held.");
    Ok(())
}

/// Removes what the tour made in the engine, so that also the machine's own engine is left as it was.
pub(super) async fn clean_up(stage: &Stage) {
    let quiet = |args: &[&str]| drop(stage.docker.try_run(args));
    for container in CONTAINERS {
        quiet(&["rm", "--force", container]);
    }
    for network in NETWORKS {
        quiet(&["network", "rm", network]);
    }
    for volume in VOLUMES {
        quiet(&["volume", "rm", volume]);
    }
    stage.cloud.clear().await;
}

fn step(number: u32, words: &str) {
    output::line("");
    output::line(format_args!("{number}. {words}"));
}

fn own_network(stage: &Stage) -> Result<(), Error> {
    step(1, "A Docker network is a Neutron network; two containers on it reach each other.");
    stage.show(&[
        "network",
        "create",
        "--driver=kuryr",
        "--ipam-driver=kuryr",
        "--subnet=10.40.0.0/16",
        "--gateway=10.40.0.1",
        "foo",
    ])?;
    for name in ["one", "two"] {
        stage.show(&["run", "--detach", "--network=foo", "--name", name, "busybox", "sleep", "100000"])?;
    }
    let two = address(stage, "two", "foo")?;
    stage.show(&["exec", "one", "ping", "-c", "3", &two.to_string()])?;
    Ok(())
}

async fn reused_network(stage: &Stage) -> Result<String, Error> {
    step(2, "A Neutron network that existed before is reused, and stays when Docker's is removed.");
    let id = stage.cloud.make_network(EXISTING, "10.50.0.0/24").await?;
    output::line(format_args!("  (in OpenStack: network `existing` is {id})"));
    let option = format!("neutron.net.uuid={id}");
    stage.show(&[
        "network",
        "create",
        "--driver=kuryr",
        "--ipam-driver=kuryr",
        "--subnet=10.50.0.0/24",
        "--gateway=10.50.0.1",
        "-o",
        &option,
        "my_reused_net",
    ])?;
    stage.show(&[
        "run",
        "--detach",
        "--network=my_reused_net",
        "--name=reuser",
        "busybox",
        "sleep",
        "100000",
    ])?;
    stage.show(&["exec", "reuser", "ping", "-c", "1", "10.50.0.1"])?;
    Ok(id)
}

async fn fixed_address(stage: &Stage, network: &str) -> Result<(), Error> {
    step(3, "A fixed address, taken from a Neutron port that existed before and is unbound.");
    let port = stage.cloud.make_port(network, IpAddr::from([10, 50, 0, 77])).await?;
    output::line(format_args!("  (in OpenStack: {})", stage.cloud.describe_port(&port).await?));
    stage.show(&[
        "run",
        "--detach",
        "--network=my_reused_net",
        "--ip=10.50.0.77",
        "--name=fixed",
        "busybox",
        "sleep",
        "100000",
    ])?;
    stage.show(&["exec", "reuser", "ping", "-c", "1", "10.50.0.77"])?;
    output::line(format_args!("  (in OpenStack: {})", stage.cloud.describe_port(&port).await?));
    stage.show(&["rm", "--force", "fixed"])?;
    output::line(format_args!("  (in OpenStack: {}: given back)", stage.cloud.describe_port(&port).await?));
    Ok(())
}

fn exposed_ports(stage: &Stage) -> Result<(), Error> {
    step(4, "--expose opens ports in a security group: from outside, 1236 is reached and 1300 is not.");
    stage.show(&[
        "run",
        "--detach",
        "--network=foo",
        "--expose=1234-1238/udp",
        "--name=exposed",
        "busybox",
        "sleep",
        "100000",
    ])?;
    let target = address(stage, "exposed", "foo")?;
    let pid = stage.docker.run(&["inspect", "--format", "{{.State.Pid}}", "exposed"]).map_err(demo)?;
    for (port, expected) in [(1236, true), (1300, false)] {
        let reached = udp_reaches(&pid, target, port)?;
        let words = if reached { "reached" } else { "not reached" };
        output::line(format_args!("  udp {target}:{port}: {words}"));
        if reached != expected {
            return Err(Error::Demo(format!(
                "udp port {port} should{} be open",
                if expected { "" } else { " not" }
            )));
        }
    }
    Ok(())
}

fn own_volume(stage: &Stage) -> Result<(), Error> {
    step(5, "A Docker volume is a Cinder volume; what one container writes the next one reads.");
    stage.show(&[
        "volume",
        "create",
        "--driver=fuxi",
        "--opt",
        "size=1",
        "--opt",
        "fstype=ext4",
        "my_vol",
    ])?;
    let write = "echo stored in cinder > /data/file";
    stage.show(&["run", "--rm", "--network=none", "-v", "my_vol:/data", "busybox", "sh", "-c", write])?;
    read_back(stage, "my_vol", "stored in cinder")
}

async fn reused_volume(stage: &Stage) -> Result<(), Error> {
    step(
        6,
        "A Cinder volume that existed before is reused with its data, and stays when Docker's is removed.",
    );
    let id = stage.cloud.make_volume(EXISTING).await?;
    stage.format_volume(&id)?;
    output::line(format_args!("  (in OpenStack: {})", stage.cloud.describe_volume(&id).await?));
    let option = format!("volume_id={id}");
    stage.show(&["volume", "create", "--driver=fuxi", "--opt", &option, "my_reused_vol"])?;
    let write = "echo mine > /data/file";
    stage.show(&[
        "run",
        "--rm",
        "--network=none",
        "-v",
        "my_reused_vol:/data",
        "busybox",
        "sh",
        "-c",
        write,
    ])?;
    read_back(stage, "my_reused_vol", "mine")?;
    stage.show(&["volume", "rm", "my_reused_vol"])?;
    output::line(format_args!("  (in OpenStack: {}: given back)", stage.cloud.describe_volume(&id).await?));
    Ok(())
}

fn read_back(stage: &Stage, volume: &str, expected: &str) -> Result<(), Error> {
    let mount = format!("{volume}:/data");
    let read =
        stage.show(&["run", "--rm", "--network=none", "-v", &mount, "busybox", "cat", "/data/file"])?;
    if read == expected { Ok(()) } else { Err(Error::Demo(format!("read `{read}` instead of `{expected}`"))) }
}

fn address(stage: &Stage, container: &str, network: &str) -> Result<IpAddr, Error> {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    let text = stage.docker.run(&["inspect", "--format", &format, container]).map_err(demo)?;
    text.parse().map_err(|_| Error::Demo(format!("{container} has no address on {network}: `{text}`")))
}

/// Sends from this host, which is in nobody's security group.
fn udp_reaches(container_pid: &str, target: IpAddr, port: u16) -> Result<bool, Error> {
    let io = |action: &'static str| {
        move |source| Error::Io { action, what: format!("udp port {port}").into(), source }
    };
    let pid = container_pid.parse().map_err(|_| Error::Demo("the container has no process".into()))?;
    let ns = NetNs::of_pid(pid).map_err(io("enter the container for"))?;
    let listener = run_in(&ns, || UdpSocket::bind((target, port)))
        .and_then(|bound| bound)
        .map_err(io("listen in the container on"))?;
    listener.set_read_timeout(Some(Duration::from_millis(300))).map_err(io("wait on"))?;
    let sender = UdpSocket::bind("0.0.0.0:0").map_err(io("send to"))?;
    for _ in 0..3 {
        sender.send_to(b"knock", (target, port)).map_err(io("send to"))?;
        if listener.recv_from(&mut [0; 16]).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn demo(error: private_host::Error) -> Error {
    Error::Demo(error.to_string())
}
