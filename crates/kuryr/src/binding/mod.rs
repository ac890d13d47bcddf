//! How a port becomes a link of this host. One module per driver, each with `validate`, `setup`, `teardown`.
//!
//! `validate` changes nothing and says what will be done as a [`Plug`], which goes into the journal; `setup` does
//! it; `teardown` needs nothing but the record, goes on after a failure and reports what is left.

mod bridge;
mod driver;
mod hook;
mod ovs;
mod ovs_hybrid;
mod sriov;
mod tap;
mod veth;

use std::collections::BTreeSet;

use openstack::network::Port;

use crate::marks::Marks;
use crate::names;
use crate::state::{Driver, Plug};
use crate::{Error, Host, Result};

/// What the drivers work with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'a> {
    pub(crate) host: &'a Host,
    /// Name of this host in Neutron.
    pub(crate) name: &'a str,
    /// Open vSwitch bridge of ports whose details name none.
    pub(crate) integration_bridge: &'a str,
    /// Vif types a script plugs though a driver of ours could.
    pub(crate) scripted: &'a BTreeSet<String>,
    /// Whose links are.
    pub(crate) marks: &'a Marks,
}

impl Binding<'_> {
    /// Refuses a port Neutron did not bind in a way we can plug.
    pub(crate) fn check(&self, port: &Port) -> Result<()> {
        self.driver(port).map(|_| ())
    }

    /// Works out how the port of an endpoint is to be plugged; changes nothing. `mtu` in bytes.
    pub(crate) async fn validate(&self, port: &Port, endpoint: &str, mtu: u32) -> Result<Plug> {
        let mut plug = Plug {
            port_id: port.id.clone(),
            host: names::host_link(&port.id),
            container: names::container_link(&port.id),
            bridge: None,
            mac: port.mac_address,
            mtu,
            driver: Driver::Veth,
            mark: Some(self.marks.of(&names::mark(&port.id))),
        };
        match self.driver(port)? {
            driver::Kind::Tap => {}
            driver::Kind::Bridge => plug.bridge = Some(bridge::validate(port)?),
            driver::Kind::Ovs { hybrid } => {
                plug.bridge = Some(ovs::validate(port, self.integration_bridge)?);
                let endpoint = endpoint.to_owned();
                plug.driver = if hybrid { Driver::OvsHybrid { endpoint } } else { Driver::Ovs { endpoint } };
            }
            driver::Kind::Hook => plug.driver = hook::validate(port, endpoint),
            driver::Kind::Sriov => sriov::validate(self.host, port, &mut plug).await?,
        }
        Ok(plug)
    }
}

/// Plugs; repeating is harmless.
pub(crate) async fn setup(host: &Host, plug: &Plug) -> Result<()> {
    match &plug.driver {
        Driver::Veth => match &plug.bridge {
            Some(name) => bridge::setup(host, plug, name).await,
            None => tap::setup(host, plug).await,
        },
        Driver::Ovs { endpoint } => ovs::setup(host, plug, endpoint).await,
        Driver::OvsHybrid { endpoint } => ovs_hybrid::setup(host, plug, endpoint).await,
        Driver::Hook(call) => hook::setup(host, plug, call).await,
        Driver::Sriov { slot, vlan } => sriov::setup(host, plug, slot, *vlan).await,
    }
}

/// Unplugs; what is absent is unplugged, what is not ours stays.
pub(crate) async fn teardown(host: &Host, plug: &Plug) -> Result<()> {
    let mut failures = match &plug.driver {
        Driver::Veth if plug.bridge.is_some() => bridge::teardown(host, plug).await,
        Driver::Veth => tap::teardown(host, plug).await,
        Driver::Ovs { .. } => ovs::teardown(host, plug).await,
        Driver::OvsHybrid { .. } => ovs_hybrid::teardown(host, plug).await,
        Driver::Hook(call) => hook::teardown(host, plug, call).await,
        Driver::Sriov { slot, .. } => sriov::teardown(host, plug, slot).await,
    };
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => {
            let reason = failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            Err(Error::Conflict { what: "links of port", resource: plug.port_id.clone(), reason })
        }
    }
}

/// Keeps the failure of one step while the next ones are taken.
fn note(failures: &mut Vec<Error>, outcome: Result<()>) {
    failures.extend(outcome.err());
}
