//! Which Neutron port this virtual machine is: that of the MAC address of its interface. Asked once and remembered, and
//! asked again when the address changes or Neutron no longer knows what was found.

use std::sync::Arc;

use openstack::MacAddr;
use openstack::network::Port;

use super::{GuestSettings, Pairs, Trunks};
use crate::error::{CloudContext, LinkContext};
use crate::host::{HostLinks, ParentLink};
use crate::{Error, Neutron, Result, names};

/// This virtual machine, as Neutron knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// Its port.
    pub(crate) port: String,
    /// The network of that port.
    pub(crate) network: String,
    /// The MAC of both the port and the interface.
    pub(crate) mac: MacAddr,
    /// MTU of the interface, in bytes.
    pub(crate) mtu: u32,
    /// The trunk the port is the parent of.
    pub(crate) trunk: Option<String>,
}

/// The look for it.
pub(crate) struct Identity {
    neutron: Arc<dyn Neutron>,
    links: Arc<dyn HostLinks>,
    known: tokio::sync::Mutex<Option<Own>>,
}

impl Identity {
    pub(crate) fn new(neutron: Arc<dyn Neutron>, links: Arc<dyn HostLinks>) -> Self {
        Self { neutron, links, known: tokio::sync::Mutex::default() }
    }

    /// What was found; without a request once it is known.
    ///
    /// # Errors
    /// No such interface; no port, or several, have its MAC; the port has no trunk, where one is needed; Neutron fails.
    pub(crate) async fn own(&self, settings: &GuestSettings, trunks: &Trunks, pairs: &Pairs) -> Result<Own> {
        let mut known = self.known.lock().await;
        let link = self.link(&settings.link).await?;
        if let Some(own) = known.as_ref().filter(|own| own.mac == link.mac) {
            return Ok(Own { mtu: link.mtu, ..own.clone() });
        }
        *known = None;
        let port = self.port(settings, &link).await?;
        let trunk = if settings.mode.needs_trunk() { Some(self.trunk(&port, trunks).await?) } else { None };
        pairs.learn(&port).await;
        let own = Own { port: port.id, network: port.network_id, mac: link.mac, mtu: link.mtu, trunk };
        tracing::info!(
            port = own.port,
            trunk = own.trunk,
            link = settings.link,
            "this virtual machine's port"
        );
        Ok(known.insert(own).clone())
    }

    /// What was found, without looking for it.
    pub(crate) fn remembered(&self) -> Option<Own> {
        self.known.try_lock().ok().and_then(|known| known.clone())
    }

    /// Neutron has told that what was found is not there any more.
    pub(crate) async fn forget(&self) {
        *self.known.lock().await = None;
    }

    async fn link(&self, name: &str) -> Result<ParentLink> {
        let found = self.links.parent_link(name).await.on_link("look up", name)?;
        found.ok_or_else(|| Error::NotFound {
            what: "interface",
            resource: name.to_owned(),
            advice: "set [binding] link_iface to this virtual machine's network interface, see `ip link`",
        })
    }

    async fn port(&self, settings: &GuestSettings, link: &ParentLink) -> Result<Port> {
        let mac = link.mac.to_string();
        let shown = format!("{mac} of {}", settings.link);
        let mut found = self
            .neutron
            .list_ports(&[("mac_address", &mac)])
            .await
            .doing("find this machine's port by MAC", &shown)?;
        found.retain(|p| p.mac_address == link.mac && p.device_owner != names::DEVICE_OWNER);
        if let Some(wanted) = &settings.port {
            found.retain(|p| p.id == *wanted);
        }
        // A MAC is unique on a network only.
        if found.len() > 1 {
            let has = |p: &Port| p.fixed_ips.iter().any(|ip| link.addresses.contains(&ip.ip_address));
            if found.iter().any(has) {
                found.retain(has);
            }
        }
        let choices = found.iter().map(|p| p.id.clone()).collect::<Vec<_>>().join(", ");
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(Error::NotFound {
                what: "this virtual machine's port with MAC",
                resource: shown,
                advice: "check [binding] link_iface (and parent_port), and that the credentials are of the project \
                         that the machine's port belongs to",
            }),
            _ => Err(Error::Conflict {
                what: "MAC",
                resource: shown,
                reason: format!(
                    "several ports have it: {choices}; name this machine's as [binding] parent_port"
                ),
            }),
        }
    }

    async fn trunk(&self, port: &Port, trunks: &Trunks) -> Result<String> {
        if let Some(details) = &port.trunk_details {
            trunks.learn(&details.trunk_id, &details.sub_ports).await;
            return Ok(details.trunk_id.clone());
        }
        // Neutron without the extension `trunk-details` has to be asked for it.
        let found = match self.neutron.list_trunks(&[("port_id", &port.id)]).await {
            Err(error) if error.status() == Some(404) => {
                return Err(Error::Conflict {
                    what: "Neutron",
                    resource: "without trunks".to_owned(),
                    reason: "[binding] driver = vlan needs its service plugin `trunk`; have it loaded, or use macvlan \
                             or ipvlan"
                        .to_owned(),
                });
            }
            other => other.doing("find the trunk of port", &port.id)?,
        };
        match found.into_iter().find(|trunk| trunk.port_id == port.id) {
            Some(trunk) => {
                trunks.learn(&trunk.id, &trunk.sub_ports).await;
                Ok(trunk.id)
            }
            None => Err(Error::Conflict {
                what: "this virtual machine's port",
                resource: port.id.clone(),
                reason: format!(
                    "it has no trunk, which [binding] driver = vlan needs; make one with `openstack network trunk \
                     create --parent-port {} NAME` (before the machine is started, with most Neutron drivers), or use \
                     macvlan or ipvlan",
                    port.id
                ),
            }),
        }
    }
}
