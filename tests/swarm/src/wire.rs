//! The wire: a bridge in the cloud's host, one plug per node.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The bridge, and the interface of every host on it.
pub(crate) const BRIDGE: &str = "wire";
/// A node's end.
pub(crate) const NIC: &str = "wire0";

/// Runs `ip` in the network namespace of a process, both as seen from here.
pub(crate) fn ip(init: u32, args: &[&str]) -> Result<String> {
    let namespace = format!("--net=/proc/{init}/ns/net");
    let output = Command::new("nsenter").arg(&namespace).args(["--", "ip"]).args(args).output();
    let output = output.context("start nsenter")?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes the bridge with the cloud's address.
pub(crate) fn lay(cloud: u32, address: &str) -> Result<()> {
    // Groups are heard by all: nobody asks who wants them.
    ip(cloud, &["link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0"])?;
    ip(cloud, &["address", "add", &format!("{address}/24"), "dev", BRIDGE])?;
    ip(cloud, &["link", "set", BRIDGE, "up"]).map(drop)
}

/// The bridge's end of a node's cable.
fn plug_name(node: &str) -> String {
    format!("to-{node}")
}

/// Connects a node.
pub(crate) fn connect(cloud: u32, node: &str, init: u32, address: &str) -> Result<()> {
    let (plug, pid) = (plug_name(node), init.to_string());
    ip(cloud, &["link", "add", &plug, "type", "veth", "peer", "name", NIC, "netns", &pid])?;
    ip(cloud, &["link", "set", &plug, "master", BRIDGE, "up"])?;
    ip(init, &["address", "add", &format!("{address}/24"), "dev", NIC])?;
    ip(init, &["link", "set", NIC, "up"])?;
    // For the packets of data paths to all others.
    ip(init, &["route", "add", "239.0.0.0/8", "dev", NIC]).map(drop)
}

/// Cuts a node off, or connects it again.
pub(crate) fn set_connected(cloud: u32, node: &str, connected: bool) -> Result<()> {
    ip(cloud, &["link", "set", &plug_name(node), if connected { "up" } else { "down" }]).map(drop)
}
