//! A namespace inside the lab's host whose only link is a Neutron port, plugged the way a container's is.

use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use private_host::{HostProcess, Place};

use super::services::clean;

/// Ends, with its namespace and its port on the bridge, when it is dropped.
#[derive(Debug)]
pub(crate) struct Endpoint<'a> {
    place: &'a Place,
    name: String,
    tap: String,
    address: String,
}

impl<'a> Endpoint<'a> {
    /// Makes the namespace and plugs the port into the integration bridge.
    pub(crate) fn plug(place: &'a Place, name: &str, port: &str, mac: &str, address: &str) -> Result<Self> {
        let tap = format!("tap{}", port.get(..11).unwrap_or(port));
        let endpoint = Self { place, name: name.to_owned(), tap, address: address.to_owned() };
        let (tap, netns) = (endpoint.tap.as_str(), name);
        let wide = format!("{address}/24");
        let inner = ["ip", "-netns", netns];
        let mtu = ["mtu", "1450", "up"];
        let commands: [&[&str]; 7] = [
            &["ip", "netns", "add", netns],
            &["ip", "link", "add", tap, "type", "veth", "peer", "name", "eth0", "netns", netns],
            &["ip", "link", "set", tap, "up"],
            &[&inner[..], &["link", "set", "lo", "up"]].concat(),
            &[&inner[..], &["link", "set", "eth0", "address", mac], &mtu[..]].concat(),
            &[&inner[..], &["address", "add", &wide, "dev", "eth0"]].concat(),
            // A userspace datapath sends unfinished checksums on as they are.
            &["ip", "netns", "exec", netns, "ethtool", "-K", "eth0", "tx", "off"],
        ];
        for command in commands {
            must(place, command)?;
        }
        let ids = [
            format!("external_ids:attached-mac={mac}"),
            format!("external_ids:iface-id={port}"),
            format!("external_ids:vm-uuid={netns}"),
            "external_ids:iface-status=active".to_owned(),
        ];
        let mut command = vec!["ovs-vsctl", "add-port", "br-int", tap, "--", "set", "interface", tap];
        command.extend(ids.iter().map(String::as_str));
        must(place, &command)?;
        Ok(endpoint)
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether a ping of another endpoint comes to be answered or not, as wanted, within the time.
    pub(crate) fn pings(&self, other: &Self, wanted: bool, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        loop {
            let answered = self.run(&["ping", "-c1", "-W1", other.address()])?.status.success();
            if answered == wanted || Instant::now() > end {
                return Ok(answered == wanted);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether a line from another endpoint comes over TCP, as wanted, within the time.
    pub(crate) fn fetches(&self, other: &Self, port: u16, wanted: bool, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        let port = port.to_string();
        let _server = other.serve(&port)?;
        loop {
            let output = self.run(&["nc", "-w", "2", other.address(), &port])?;
            let came = String::from_utf8_lossy(&output.stdout).contains("hello");
            if came == wanted || Instant::now() > end {
                return Ok(came == wanted);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn serve(&self, port: &str) -> Result<HostProcess> {
        let busybox = ["ip", "netns", "exec", &self.name, "busybox"];
        let listen = ["nc", "-ll", "-p", port, "-e", "echo", "hello"];
        let args = clean("", &[&busybox[..], &listen[..]].concat());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.place.spawn("env", &args, std::path::Path::new("/dev/null")).context("start a server")
    }

    fn run(&self, applet: &[&str]) -> Result<Output> {
        let all = [&["ip", "netns", "exec", &self.name, "busybox"][..], applet].concat();
        self.place.command("env").args(clean("", &all)).output().context("cannot start busybox")
    }
}

impl Drop for Endpoint<'_> {
    fn drop(&mut self) {
        for command in [
            &["ovs-vsctl", "--if-exists", "del-port", "br-int", &self.tap][..],
            &["ip", "link", "delete", &self.tap],
            &["ip", "netns", "delete", &self.name],
        ] {
            // What was not made yet cannot be removed.
            let _ = must(self.place, command);
        }
    }
}

fn must(place: &Place, command: &[&str]) -> Result<()> {
    let output = place.command("env").args(clean("", command)).output();
    let output = output.with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
