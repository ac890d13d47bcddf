//! What is there, in the cloud and on this host.

use std::collections::BTreeSet;

use openstack::network::{Listed, Taggable};

use crate::error::{CloudContext, LinkContext, SwitchContext};
use crate::host::{MarkedLink, SwitchPort};
use crate::service::Inner;
use crate::state::{Driver, EndpointRow};
use crate::{Result, names};

/// What was seen, ours or not.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Ports of containers that are bound to this host.
    pub(super) ports: Vec<Listed>,
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
    /// What could not be looked at though this host uses it, and why.
    pub(super) unseen: Vec<String>,
    /// Ports of the journal that Neutron does not have.
    pub(super) lost_ports: BTreeSet<String>,
}

impl Inner {
    /// Five lists of the cloud, two of the host; and one look per port that seems to be lost.
    pub(super) async fn facts(&self) -> Result<Facts> {
        let all = async |kind: Taggable, filters: &[(&str, &str)]| {
            self.neutron.inventory(kind, filters).await.doing("list", kind.collection())
        };
        let here = [("device_owner", names::DEVICE_OWNER), ("binding:host_id", self.settings.host.as_str())];
        let mut facts = Facts {
            ports: all(Taggable::Port, &here).await?,
            groups: all(Taggable::SecurityGroup, &[]).await?,
            subnets: all(Taggable::Subnet, &[]).await?,
            networks: all(Taggable::Network, &[]).await?,
            pools: all(Taggable::SubnetPool, &[]).await?,
            links: self.host.links.marked_links(names::MARK).await.on_link("list", "every")?,
            ..Facts::default()
        };
        // A service without this filter answers with everything.
        facts.ports.retain(|p| {
            p.device_owner == names::DEVICE_OWNER && p.host_id.as_ref() == Some(&self.settings.host)
        });
        // Most hosts without it have no Open vSwitch at all.
        match self.host.switch.ports().await.on_switch("list ports of", "every bridge") {
            Ok(ports) => facts.switch_ports = ports,
            Err(error) if self.uses_the_switch() => facts.unseen.push(error.to_string()),
            Err(error) => tracing::debug!(%error, "no look at the switch"),
        }
        for port in &facts.ports {
            let link = names::host_link(&port.id);
            if self.host.links.link_exists(&link).await.on_link("look up", &link)? {
                facts.plugged.insert(link);
            }
        }
        self.look_after_endpoints(&mut facts).await?;
        Ok(facts)
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
