//! Use of a network that existed before: checked completely, then changed as little as possible.

use ipnet::IpNet;
use openstack::network::{Network, Subnet, Taggable};

use super::build::adopt_facts;
use super::create::Range;
use super::subnet_pools::{refuse_other_pool, refuse_outside};
use crate::error::CloudContext;
use crate::names;
use crate::options::{Existing, Options};
use crate::pools::only;
use crate::service::Inner;
use crate::state::NetworkRow;
use crate::{Error, Result};

impl Inner {
    pub(super) async fn adopt_network(
        &self,
        row: &mut NetworkRow,
        wanted: &Existing,
        options: &Options,
        ranges: &[Range],
    ) -> Result<()> {
        if let Some(range) = ranges.iter().find(|r| r.pool.as_ref().is_some_and(|p| p.pending.is_some())) {
            let reason = "the range was chosen before the network was known; \
                          repeat the network option as --ipam-opt, or pass --subnet"
                .to_owned();
            return Err(Error::Invalid {
                what: "automatic range",
                resource: range.data.pool.to_string(),
                reason,
            });
        }
        let network = self.existing_network(&known_id(wanted, ranges)).await?;
        if let Some(own) = self.guest.only_network().await?.filter(|own| *own != network.id) {
            let reason = format!(
                "containers here are on this virtual machine's network {own}; name that one or none, or use \
                 [binding] driver = vlan"
            );
            return Err(Error::Conflict { what: "network", resource: network.id, reason });
        }
        let named = [wanted.name(), options.network_name.as_deref()];
        if let Some(name) = named.into_iter().flatten().find(|name| *name != network.name) {
            let reason = format!("its name is {}, not {name}; correct one of the options", network.name);
            return Err(Error::Conflict { what: "network", resource: network.id, reason });
        }
        if options.shared.is_some_and(|shared| shared != network.shared) {
            let reason = format!("its `shared` is {}; correct neutron.net.shared", network.shared);
            return Err(Error::Conflict { what: "network", resource: network.id, reason });
        }
        if let Some(other) = self.networks.find(|n| !n.adopted && n.neutron_id.as_ref() == Some(&network.id))
        {
            let reason = format!("it was made for Docker network {}; use that one", other.id);
            return Err(Error::Conflict { what: "network", resource: network.id, reason });
        }
        // Until it stands in the journal: the last one of this host on a subnet of ours removes it.
        let _turn = self.locks.lock("subnets", &network.id).await;
        let subnets = self.subnets_for(&network, ranges).await?;
        for (range, at) in ranges.iter().zip(0..) {
            let pool = match options.pool(range.v6) {
                Some(wanted) => Some(self.pool_for(wanted, range.v6, options).await?),
                None => None,
            };
            let chosen = choose(range, options, &subnets)?;
            if let Some(subnet) = chosen {
                self.note_use(row, subnet).await?;
            }
            let Some(slot) = row.subnets.get_mut(at) else { continue };
            match chosen {
                Some(subnet) => {
                    if range.asked_gateway().is_some_and(|asked| Some(asked) != subnet.gateway_ip) {
                        let has = subnet.gateway_ip.map_or("none".to_owned(), |g| g.to_string());
                        let reason = format!("its gateway is {has}; drop --gateway or correct it");
                        return Err(Error::Conflict { what: "subnet", resource: subnet.id.clone(), reason });
                    }
                    if let Some(pool) = &pool {
                        refuse_other_pool(pool, subnet)?;
                    }
                    slot.ours = false;
                    adopt_facts(slot, subnet);
                }
                None => {
                    slot.ours = true;
                    // Neutron wants all subnets of a family on one network from one pool.
                    let family = |s: &&Subnet| matches!(s.cidr, IpNet::V6(_)) == range.v6;
                    let others = subnets.iter().find(family);
                    slot.from_pool = others.and_then(|s| s.subnetpool_id.clone());
                    if let Some(pool) = pool {
                        if let Some(other) = others.filter(|s| s.subnetpool_id.is_some()) {
                            refuse_other_pool(&pool, other)?;
                        }
                        refuse_outside(&pool, range.data.pool)?;
                        slot.from_pool = Some(pool.id);
                    }
                }
            }
        }
        row.adopted = true;
        row.neutron_id = Some(network.id.clone());
        row.mtu = network.mtu;
        row.project = Some(network.project_id.clone()).filter(|id| !id.is_empty());
        self.networks.put(&row.id, row)?;
        // An address that is taken refuses the rest, so it goes first.
        self.reserve_aux(row).await?;
        self.add_tags(Taggable::Network, &network.id, &names::network_tags(&row.id, true)).await?;
        self.tag_used_subnets(row).await?;
        self.make_subnets(row, None).await
    }

    pub(crate) async fn existing_network(&self, wanted: &Existing) -> Result<Network> {
        let advice = "check it with `openstack network list`";
        let absent = || Error::NotFound { what: "network", resource: wanted.text().to_owned(), advice };
        match wanted {
            Existing::Id(id) => match self.neutron.get_network(id).await {
                Err(e) if e.is_not_found() => Err(absent()),
                other => other.doing("get network", id),
            },
            Existing::Name(name) => {
                let mut found =
                    self.neutron.list_networks(&[("name", name)]).await.doing("find network", name)?;
                found.retain(|n| n.name == *name);
                only("network", name, found, |n| n.id.clone(), absent)
            }
        }
    }

    /// The network's subnets; those the pools already know need no request.
    async fn subnets_for(&self, network: &Network, ranges: &[Range]) -> Result<Vec<Subnet>> {
        let known: Option<Vec<Subnet>> =
            ranges.iter().map(|r| r.pool.as_ref().and_then(|p| p.existing.clone())).collect();
        if let Some(known) = known {
            if let Some(other) = known.iter().find(|s| !network.subnets.contains(&s.id)) {
                let reason = format!("it is not on network {}; correct neutron.subnet.uuid", network.id);
                return Err(Error::Conflict { what: "subnet", resource: other.id.clone(), reason });
            }
            return Ok(known);
        }
        let filter = [("network_id", network.id.as_str())];
        let mut found =
            self.neutron.list_subnets(&filter).await.doing("list subnets of network", &network.id)?;
        found.retain(|s| s.network_id == network.id);
        Ok(found)
    }
}

pub(crate) fn taken(address: std::net::IpAddr, port: &openstack::network::Port) -> Error {
    let owner = [&port.device_owner, &port.device_id, &port.name].into_iter().find(|text| !text.is_empty());
    let owner = owner.map_or("unknown owner", String::as_str).to_owned();
    Error::AddressTaken { address, port: port.id.clone(), owner }
}

/// A network named by name whose subnet is already known is asked for by id.
fn known_id(wanted: &Existing, ranges: &[Range]) -> Existing {
    let known = || ranges.iter().find_map(|r| Some(r.pool.as_ref()?.existing.as_ref()?.network_id.clone()));
    match wanted {
        Existing::Id(_) => wanted.clone(),
        Existing::Name(_) => known().map_or_else(|| wanted.clone(), Existing::Id),
    }
}

/// The subnet of a range; none if it is to be made.
fn choose<'a>(range: &Range, options: &Options, subnets: &'a [Subnet]) -> Result<Option<&'a Subnet>> {
    let cidr: IpNet = range.data.pool;
    let named = options.subnet(range.v6);
    let fits = |s: &&Subnet| match named {
        Some(Existing::Id(id)) => s.id == *id,
        Some(Existing::Name(name)) => s.name == *name,
        None => true,
    };
    let found = subnets.iter().filter(fits).find(|s| s.cidr.trunc() == cidr);
    if found.is_some() {
        return Ok(found);
    }
    if let Some(named) = named {
        let reason =
            format!("no such subnet with range {cidr} on that network; correct --subnet or the option");
        return Err(Error::Conflict { what: "subnet", resource: named.text().to_owned(), reason });
    }
    if let Some(other) = subnets.iter().find(|s| s.cidr.contains(&cidr) || cidr.contains(&s.cidr)) {
        let reason =
            format!("overlaps subnet {} ({}) of that network; pass its range exactly", other.id, other.cidr);
        return Err(Error::Conflict { what: "range", resource: cidr.to_string(), reason });
    }
    Ok(None)
}
