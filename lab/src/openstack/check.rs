//! Proof that the lab's data path works: two ports on the integration bridge, and security groups between them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use debian_root::say;
use os::netns::NetNs;
use private_host::Place;
use serde_json::{Value, json};

use super::client::{Client, text};
use super::endpoint::Endpoint;
use super::{HOST, running};

/// As long as rules may take to arrive.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is blocked stays so at least this long.
const BLOCKED: Duration = Duration::ZERO;

/// Makes a network with two ports as the tenant, plugs them, and looks at ping and TCP while rules come and go; removes
/// it all.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn check() -> Result<()> {
    let lab = running()?;
    let place = lab.place()?;
    let netns = NetNs::of_pid(lab.pid).context("open the lab's network namespace")?;
    let tenant = Client::new(&netns, "demo", "demo")?;
    let mut made = Made { tenant: &tenant, paths: Vec::new() };
    traffic(&place, &tenant, &mut made)
}

/// Resources in the order they were made; removed in the other one.
struct Made<'a> {
    tenant: &'a Client,
    paths: Vec<String>,
}

impl Made<'_> {
    fn make(&mut self, kind: &str, collection: &str, mut body: Value) -> Result<Value> {
        let made =
            self.tenant.neutron("POST", &format!("/{collection}"), Some(&json!({kind: body.take()})))?;
        let made = made.get(kind).cloned().context("an answer without the resource")?;
        self.paths.push(format!("/{collection}/{}", text(&made, "/id")));
        Ok(made)
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            if let Err(error) = self.tenant.neutron("DELETE", path, None) {
                say(&format!("cannot remove {path}: {error:#}"));
            }
        }
    }
}

fn traffic(place: &Place, tenant: &Client, made: &mut Made<'_>) -> Result<()> {
    let network = made.make("network", "networks", json!({"name": "lab-check"}))?;
    let network = text(&network, "/id");
    let subnet =
        json!({"network_id": network, "ip_version": 4, "cidr": "10.77.0.0/24", "enable_dhcp": false});
    made.make("subnet", "subnets", subnet)?;
    let group = made.make("security_group", "security-groups", json!({"name": "lab-check"}))?;
    let group = text(&group, "/id");
    let mut ports = Vec::new();
    for _ in 0..2 {
        let port = json!({"network_id": network, "binding:host_id": HOST, "device_owner": "compute:lab",
                          "security_groups": [group]});
        let port = made.make("port", "ports", port)?;
        if text(&port, "/binding:vif_type") != "ovs" {
            bail!("a port got the type `{}` instead of `ovs`", text(&port, "/binding:vif_type"));
        }
        ports.push(port);
    }
    let plug = |index: usize, name: &str| {
        let port = ports.get(index).context("a port that was not made")?;
        let address = text(port, "/fixed_ips/0/ip_address");
        Endpoint::plug(place, name, text(port, "/id"), text(port, "/mac_address"), address)
    };
    let started = Instant::now();
    let (a, b) = (plug(0, "lab-check-a")?, plug(1, "lab-check-b")?);
    for port in &ports {
        active(tenant, text(port, "/id"))?;
    }
    say(&format!("ok  both ports ACTIVE {:.1} s after they were plugged", started.elapsed().as_secs_f32()));
    expect("no rule: ping is blocked", a.pings(&b, false, BLOCKED)?)?;
    expect("no rule: TCP is blocked", a.fetches(&b, 7777, false, BLOCKED)?)?;
    let rule = |protocol: &str, ports: Option<(u16, u16)>| {
        json!({"security_group_id": group, "direction": "ingress", "protocol": protocol,
               "port_range_min": ports.map(|p| p.0), "port_range_max": ports.map(|p| p.1)})
    };
    made.make("security_group_rule", "security-group-rules", rule("icmp", None))?;
    expect("a rule for ICMP: ping passes", a.pings(&b, true, PATIENCE)?)?;
    expect("a rule for ICMP: TCP is blocked", a.fetches(&b, 7777, false, BLOCKED)?)?;
    made.make("security_group_rule", "security-group-rules", rule("tcp", Some((7777, 7778))))?;
    expect("a rule for TCP 7777-7778: 7777 passes", a.fetches(&b, 7777, true, PATIENCE)?)?;
    expect("a rule for TCP 7777-7778: 7779 is blocked", a.fetches(&b, 7779, false, BLOCKED)?)?;
    expect("and back: TCP 7778 passes", b.fetches(&a, 7778, true, PATIENCE)?)
}

fn active(tenant: &Client, port: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = tenant.neutron("GET", &format!("/ports/{port}"), None)?;
        let status = text(&seen, "/port/status");
        if status == "ACTIVE" {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("port {port} is {status} a minute after it was plugged; see the log of ovs-agent");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn expect(what: &str, holds: bool) -> Result<()> {
    if !holds {
        bail!("not so: {what}");
    }
    say(&format!("ok  {what}"));
    Ok(())
}
