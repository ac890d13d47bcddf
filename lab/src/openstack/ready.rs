//! When the lab is up: agents are alive and a port can be bound to this host.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use os::netns::NetNs;
use serde_json::{Value, json};

use super::HOST;
use super::client::{Client, text};

/// Waits for that.
pub(crate) fn wait(netns: &NetNs, dhcp: bool, limit: Duration, step: &impl Fn(&str)) -> Result<()> {
    let end = Instant::now() + limit;
    let admin = until(end, || Client::new(netns, "admin", "admin").map(Some))?;
    step("Keystone answers");
    until(end, || admin.neutron("GET", "/agents", None).map(Some))?;
    step("Neutron answers");
    let mut wanted = vec!["Open vSwitch agent"];
    wanted.extend(dhcp.then_some("DHCP agent"));
    until(end, || {
        let agents = admin.neutron("GET", "/agents", None)?;
        let agents = agents.pointer("/agents").and_then(Value::as_array).cloned().unwrap_or_default();
        let alive = |kind: &&str| {
            let is = |a: &&Value| text(a, "/agent_type") == *kind && text(a, "/host") == HOST;
            agents.iter().find(is).is_some_and(|a| a.pointer("/alive") == Some(&Value::Bool(true)))
        };
        Ok(wanted.iter().all(alive).then_some(()))
    })?;
    step("agents are alive");
    bind(&admin)
}

/// Tries until there is an answer; the last error when there is none in time.
fn until<T>(end: Instant, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    loop {
        let outcome = attempt();
        if let Ok(Some(value)) = outcome {
            return Ok(value);
        }
        if Instant::now() > end {
            return match outcome {
                Err(error) => Err(error.context("the services did not get ready")),
                _ => bail!("the agents did not get ready"),
            };
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn bind(admin: &Client) -> Result<()> {
    let network = admin.neutron("POST", "/networks", Some(&json!({"network": {"name": "lab-ready"}})))?;
    let network = text(&network, "/network/id");
    let port =
        json!({"port": {"network_id": network, "binding:host_id": HOST, "device_owner": "compute:lab"}});
    let port = admin.neutron("POST", "/ports", Some(&port))?;
    let kind = text(&port, "/port/binding:vif_type");
    admin.neutron("DELETE", &format!("/ports/{}", text(&port, "/port/id")), None)?;
    admin
        .neutron("DELETE", &format!("/networks/{network}"), None)
        .context("remove the network of the trial")?;
    if kind != "ovs" {
        bail!("a port bound to {HOST} got the type `{kind}` instead of `ovs`");
    }
    Ok(())
}
