//! How a port becomes a link of this host. One module per driver, each with `validate`, `setup`, `teardown`.
//!
//! `validate` changes nothing and says what will be done as a [`Plug`], which goes into the journal; `setup` does
//! it; `teardown` needs nothing but the record, goes on after a failure and reports what is left.

mod bridge;
mod driver;
mod hook;
mod ipvlan;
mod macvlan;
mod ovs;
mod ovs_hybrid;
mod sriov;
mod tap;
mod veth;
mod vlan;

use std::collections::BTreeSet;

use openstack::network::Port;

use crate::guest::{Guest, GuestMode};
use crate::host::SubLinkKind;
use crate::marks::Marks;
use crate::names;
use crate::state::{Driver, Plug, SubnetRow};
use crate::{Error, Host, Result};

/// What the drivers work with.
#[derive(Clone, Copy)]
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
    /// Inside a virtual machine: what its containers share.
    pub(crate) guest: &'a Guest,
}

impl Binding<'_> {
    /// Refuses a port Neutron did not bind in a way we can plug.
    pub(crate) fn check(&self, port: &Port) -> Result<()> {
        match self.guest.mode() {
            // Such a port is bound by its trunk, or never.
            Some(_) => driver::check_vnic_type(self, port),
            None => self.driver(port).map(|_| ()),
        }
    }

    /// Works out how the port of an endpoint is to be plugged; changes nothing. `mtu` in bytes; `subnets` are those of
    /// its network.
    pub(crate) async fn validate(
        &self,
        port: &Port,
        endpoint: &str,
        mtu: u32,
        subnets: &[SubnetRow],
    ) -> Result<Plug> {
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
        if let Some(settings) = &self.guest.settings {
            driver::check_vnic_type(self, port)?;
            let own = self.guest.own(settings).await?;
            plug.host.clone_from(&plug.container);
            // A link cannot carry more than the one below it.
            plug.mtu = mtu.min(own.mtu);
            plug.driver = match settings.mode {
                GuestMode::Vlan => vlan::validate(settings, own)?,
                GuestMode::Macvlan(mode) => macvlan::validate(self.guest, settings, &own, mode, port).await?,
                GuestMode::Ipvlan(mode, flag) => {
                    ipvlan::validate(self.guest, settings, &own, (mode, flag), port, subnets).await?
                }
            };
            return Ok(plug);
        }
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

    /// Plugs; repeating is harmless.
    pub(crate) async fn setup(&self, plug: &Plug) -> Result<()> {
        let host = self.host;
        match &plug.driver {
            Driver::Veth => match &plug.bridge {
                Some(name) => bridge::setup(host, plug, name).await,
                None => tap::setup(host, plug).await,
            },
            Driver::Ovs { endpoint } => ovs::setup(host, plug, endpoint).await,
            Driver::OvsHybrid { endpoint } => ovs_hybrid::setup(host, plug, endpoint).await,
            Driver::Hook(call) => hook::setup(host, plug, call).await,
            Driver::Sriov { slot, vlan } => sriov::setup(host, plug, slot, *vlan).await,
            Driver::Vlan(place) => self.guest.doubt(vlan::setup(host, self.guest, plug, place).await).await,
            Driver::Macvlan { mode, place } => {
                self.guest.doubt(macvlan::setup(host, self.guest, plug, *mode, place).await).await
            }
            Driver::Ipvlan { mode, flag, place } => {
                self.guest.doubt(ipvlan::setup(host, self.guest, plug, (*mode, *flag), place).await).await
            }
        }
    }

    /// Unplugs; what is absent is unplugged, what is not ours stays. `attached`: a port in a trunk stays there.
    pub(crate) async fn teardown(&self, plug: &Plug, attached: bool) -> Result<()> {
        let host = self.host;
        let mut failures = match &plug.driver {
            Driver::Veth if plug.bridge.is_some() => bridge::teardown(host, plug).await,
            Driver::Veth => tap::teardown(host, plug).await,
            Driver::Ovs { .. } => ovs::teardown(host, plug).await,
            Driver::OvsHybrid { .. } => ovs_hybrid::teardown(host, plug).await,
            Driver::Hook(call) => hook::teardown(host, plug, call).await,
            Driver::Sriov { slot, .. } => sriov::teardown(host, plug, slot).await,
            Driver::Vlan(place) => vlan::teardown(host, self.guest, plug, place, attached).await,
            Driver::Macvlan { mode, place } => {
                macvlan::teardown(host, self.guest, plug, SubLinkKind::Macvlan { mode: *mode }, place).await
            }
            Driver::Ipvlan { mode, flag, place } => {
                ipvlan::teardown(host, self.guest, plug, (*mode, *flag), place).await
            }
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
}

/// Keeps the failure of one step while the next ones are taken.
fn note(failures: &mut Vec<Error>, outcome: Result<()>) {
    failures.extend(outcome.err());
}
