//! What is there, in the cloud and on this host.

use std::collections::BTreeSet;

use openstack::network::{Listed, Taggable};

use crate::error::{CloudContext, LinkContext, SwitchContext};
use crate::host::{MarkedLink, SwitchPort};
use crate::service::Inner;
use crate::state::{Driver, EndpointRow};
use crate::swarm::orphans::Reservations;
use crate::{Result, names, swarm};

/// What was seen, ours or not.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Ports of containers that are bound to this host; inside a virtual machine, those with a mark of ours.
    pub(super) ports: Vec<Listed>,
    /// Addresses of swarm networks, on every host.
    pub(super) reservations: Reservations,
    pub(super) groups: Vec<Listed>,
    pub(super) subnets: Vec<Listed>,
    pub(super) networks: Vec<Listed>,
    pub(super) pools: Vec<Listed>,
    /// Links with a mark of some kuryr.
    pub(super) links: Vec<MarkedLink>,
    /// Ports of the switch that some kuryr made.
    pub(super) switch_ports: Vec<SwitchPort>,
    /// Names of links of this host, marked or not, that ports would have.
    pub(super) plugged: BTreeSet<String>,
    /// Inside a virtual machine: what its containers share.
    pub(super) shared: Option<Shared>,
    /// What could not be looked at though this host uses it, and why.
    pub(super) unseen: Vec<String>,
    /// Ports of the journal that Neutron does not have.
    pub(super) lost_ports: BTreeSet<String>,
}

/// What the containers of a virtual machine share. Their links are seen by nobody, so this is what tells that one may
/// still be in use.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Ports in its trunk.
    pub(super) members: BTreeSet<String>,
    /// Addresses its port may send from besides its own.
    pub(super) allowed: BTreeSet<String>,
}

impl Inner {
    /// Five lists of the cloud, two of the host; and one look per port that seems to be lost.
    pub(super) async fn facts(&self) -> Result<Facts> {
        let all = async |kind: Taggable, filters: &[(&str, &str)]| {
            self.neutron.inventory(kind, filters).await.doing("list", kind.collection())
        };
        let shared = self.shared().await?;
        let (owner, subport) =
            (("device_owner", names::DEVICE_OWNER), ("device_owner", names::SUBPORT_OWNER));
        let host = ("binding:host_id", self.settings.host.as_str());
        let of_containers = if shared.is_some() { [owner, subport] } else { [owner, host] };
        let mut facts = Facts {
            ports: all(Taggable::Port, &of_containers).await?,
            groups: all(Taggable::SecurityGroup, &[]).await?,
            subnets: all(Taggable::Subnet, &[]).await?,
            networks: all(Taggable::Network, &[]).await?,
            pools: all(Taggable::SubnetPool, &[]).await?,
            links: self.host.links.marked_links(names::MARK).await.on_link("list", "every")?,
            ..Facts::default()
        };
        if self.settings.global_space.is_some() {
            let owners = [("device_owner", swarm::RESERVATION), owner];
            let mut listed = all(Taggable::Port, &owners).await?;
            listed.retain(|p| swarm::is_described(&p.device_owner, &p.description));
            facts.reservations = self.reservations_there(listed).await;
        }
        // A service without this filter answers with everything.
        let inside = shared.is_some();
        facts.shared = shared;
        facts.ports.retain(|p| {
            // Inside a virtual machine no host tells which machine it is for.
            self.is_for_containers_here(&p.device_owner, p.host_id.as_deref())
                && (!inside || self.marks.ours(&p.description).is_some())
        });
        // Most hosts without it have no Open vSwitch at all.
        match self.host.switch.ports().await.on_switch("list ports of", "every bridge") {
            Ok(ports) => facts.switch_ports = ports,
            Err(error) if self.uses_the_switch() => facts.unseen.push(error.to_string()),
            Err(error) => tracing::debug!(%error, "no look at the switch"),
        }
        for port in &facts.ports {
            let link = self.link_of(&port.id);
            if self.host.links.link_exists(&link).await.on_link("look up", &link)? {
                facts.plugged.insert(link);
            }
        }
        self.look_after_endpoints(&mut facts).await?;
        Ok(facts)
    }

    /// Whether owner and host are those of a port for containers here; inside a virtual machine there is no host to tell.
    pub(super) fn is_for_containers_here(&self, owner: &str, host: Option<&str>) -> bool {
        if self.guest.mode().is_some() {
            return matches!(owner, names::DEVICE_OWNER | names::SUBPORT_OWNER);
        }
        owner == names::DEVICE_OWNER && host == Some(self.settings.host.as_str())
    }

    /// Name of the link of a port that stays, or in a virtual machine comes back, here.
    pub(super) fn link_of(&self, port: &str) -> String {
        if self.guest.mode().is_some() { names::container_link(port) } else { names::host_link(port) }
    }

    /// What containers share, asked anew.
    async fn shared(&self) -> Result<Option<Shared>> {
        let Some(settings) = &self.guest.settings else { return Ok(None) };
        let own = self.guest.own(settings).await?;
        let mut shared = Shared::default();
        if let Some(trunk) = &own.trunk {
            shared.members =
                self.guest.trunks.members(trunk).await?.unwrap_or_default().into_keys().collect();
        }
        // Of another mode that was configured before, too.
        let port = self.neutron.get_port(&own.port).await.doing("get port", &own.port)?;
        self.guest.pairs.learn(&port).await;
        shared.members.extend(port.trunk_details.into_iter().flat_map(|d| d.sub_ports).map(|s| s.port_id));
        shared.allowed.extend(port.allowed_address_pairs.into_iter().map(|pair| pair.ip_address));
        Ok(Some(shared))
    }

    fn uses_the_switch(&self) -> bool {
        let switched = |e: &EndpointRow| {
            let driver = e.plug.as_ref().map(|plug| &plug.driver);
            matches!(driver, Some(Driver::Ovs { .. } | Driver::OvsHybrid { .. }))
        };
        self.endpoints.find(switched).is_some()
    }

    /// Whether links and ports of endpoints in use are still there.
    async fn look_after_endpoints(&self, facts: &mut Facts) -> Result<()> {
        for plug in self.endpoints.all(|_| true).into_iter().filter_map(|e| e.plug) {
            if self.host.links.link_exists(&plug.host).await.on_link("look up", &plug.host)? {
                facts.plugged.insert(plug.host);
            }
            if facts.ports.iter().any(|p| p.id == plug.port_id) {
                continue;
            }
            match self.neutron.get_port(&plug.port_id).await {
                Err(e) if e.is_not_found() => {
                    facts.lost_ports.insert(plug.port_id);
                }
                other => other.map(drop).doing("get port", &plug.port_id)?,
            }
        }
        Ok(())
    }
}
