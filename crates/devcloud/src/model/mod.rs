//! The truth about the modelled networks: plain data, no I/O. Rules that need only data live here; what the API
//! says about them lives in [`crate::neutron`].

pub(crate) mod addresses;
pub(crate) mod binding;
pub(crate) mod dhcp;
pub(crate) mod network;
pub(crate) mod port;
pub(crate) mod qos;
pub(crate) mod quota;
pub(crate) mod security_group;
pub(crate) mod standard;
pub(crate) mod subnet;
pub(crate) mod subnet_pool;
mod table;
pub(crate) mod trunk;
pub(crate) mod views;

pub(crate) use binding::VifTypes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use network::Network;
use port::{DHCP_OWNER, Port};
use qos::QosPolicy;
use security_group::{SecurityGroup, SecurityGroupRule};
use standard::Standard;
use subnet::Subnet;
use subnet_pool::SubnetPool;
pub(crate) use table::Table;
use trunk::Trunk;

/// All networks, ports and groups.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Model {
    pub(crate) networks: Table<Network>,
    pub(crate) subnets: Table<Subnet>,
    pub(crate) subnetpools: Table<SubnetPool>,
    pub(crate) ports: Table<Port>,
    pub(crate) security_groups: Table<SecurityGroup>,
    pub(crate) security_group_rules: Table<SecurityGroupRule>,
    #[serde(default)]
    pub(crate) qos_policies: Table<QosPolicy>,
    #[serde(default)]
    pub(crate) trunks: Table<Trunk>,
    pub(crate) quotas: BTreeMap<String, BTreeMap<String, i64>>,
    /// Last VXLAN number given out.
    pub(crate) last_segment: u32,
    /// Not state but settings, hence not saved.
    #[serde(skip)]
    pub(crate) vif: VifTypes,
    /// MTU of networks that name none, in bytes. A setting, too.
    #[serde(skip)]
    pub(crate) default_mtu: u32,
    /// Devices that are up, by port id prefix; `None` without a data path.
    #[serde(skip)]
    pub(crate) links_up: Option<BTreeSet<String>>,
    /// Most allowed address pairs on a port.
    #[serde(skip)]
    pub(crate) most_pairs: usize,
    /// No agent reports on ports that are bound from now on: they stay `DOWN`.
    #[serde(skip)]
    pub(crate) agents_away: bool,
    /// How long a DHCP agent takes to serve a network; zero: before the subnet's answer.
    #[serde(skip)]
    pub(crate) dhcp_delay: Duration,
    /// Networks a DHCP agent has yet to serve.
    #[serde(skip)]
    pub(crate) dhcp_due: BTreeSet<String>,
}

impl Model {
    /// Subnets of a network, oldest first.
    pub(crate) fn subnets_of(&self, network_id: &str) -> Vec<&Subnet> {
        let mut subnets: Vec<_> = self.subnets.values().filter(|s| s.network_id == network_id).collect();
        subnets.sort_by(|a, b| a.standard.created_at.cmp(&b.standard.created_at));
        subnets
    }

    /// Rules of a group.
    pub(crate) fn rules_of<'a>(
        &'a self,
        group_id: &'a str,
    ) -> impl Iterator<Item = &'a SecurityGroupRule> + 'a {
        self.security_group_rules.values().filter(move |r| r.security_group_id == group_id)
    }

    /// The default group of a project, made on first use with Neutron's rules: everything out, in only from
    /// members.
    pub(crate) fn default_group(&mut self, project: &str) -> String {
        let found = self
            .security_groups
            .values()
            .find(|g| g.standard.project_id == project && g.standard.name == "default")
            .map(|g| g.standard.id.clone());
        if let Some(id) = found {
            return id;
        }
        let id = self.add_group(project, "default", "Default security group");
        if let Some(group) = self.security_groups.get(&id) {
            for ethertype in ["IPv4", "IPv6"] {
                let rule = SecurityGroupRule::any(group, "ingress", ethertype, Some(&id));
                self.security_group_rules.insert(rule.standard.id.clone(), rule);
            }
        }
        id
    }

    /// A new group that lets everything out.
    pub(crate) fn add_group(&mut self, project: &str, name: &str, description: &str) -> String {
        let group = SecurityGroup {
            standard: Standard::new(project, name.into(), description.into()),
            stateful: true,
            shared: false,
        };
        for ethertype in ["IPv4", "IPv6"] {
            let rule = SecurityGroupRule::any(&group, "egress", ethertype, None);
            self.security_group_rules.insert(rule.standard.id.clone(), rule);
        }
        let id = group.standard.id.clone();
        self.security_groups.insert(id.clone(), group);
        id
    }

    /// Sends the agents away, or lets them report what they have missed.
    pub(crate) fn set_agents_away(&mut self, away: bool) {
        self.agents_away = away;
        self.ports.keys().map(str::to_owned).collect::<Vec<_>>().iter().for_each(|id| self.report(id));
        let missed = self.trunks.values().filter(|trunk| trunk.status == "DOWN");
        for id in missed.map(|trunk| trunk.standard.id.clone()).collect::<Vec<_>>() {
            self.wire_trunk(&id);
        }
    }

    /// Whether a port is bound and its device is there: its own or, for a subport, its parent's.
    pub(crate) fn is_plugged(&self, port: &Port) -> bool {
        port.is_bound()
            && match (self.trunk_with(&port.standard.id), &self.links_up) {
                (Some(trunk), _) => {
                    self.ports.get(&trunk.port_id).is_some_and(|parent| self.is_plugged(parent))
                }
                (None, None) => !self.is_carried(port),
                (None, Some(up)) => port.device_owner == DHCP_OWNER || up.contains(port.prefix()),
            }
    }

    /// Sets a port's status as an agent reports it, which is a revision more.
    pub(crate) fn report(&mut self, port_id: &str) {
        if self.refresh_status(port_id)
            && let Some(port) = self.ports.get_mut(port_id)
        {
            port.standard.bump();
        }
    }

    /// Sets a port's status from its binding and its device; tells whether it changed.
    pub(crate) fn refresh_status(&mut self, port_id: &str) -> bool {
        let Some(port) = self.ports.get(port_id) else { return false };
        let reported = !self.agents_away || port.status == "ACTIVE";
        let status = if port.admin_state_up && self.is_plugged(port) && reported { "ACTIVE" } else { "DOWN" };
        if port.status == status {
            return false;
        }
        if let Some(port) = self.ports.get_mut(port_id) {
            port.status = status.into();
        }
        self.follow_parent(port_id);
        true
    }
}
