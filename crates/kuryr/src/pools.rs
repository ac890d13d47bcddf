//! Pools: the user's ranges, ranges of existing subnets, ranges Neutron allocates.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use openstack::network::{Subnet, SubnetPool};

use crate::api::{Pool, PoolRequest};
use crate::error::{CloudContext, LinkContext};
use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, PoolRow, SubnetRow, now};
use crate::{Error, Result};

/// Start of the journal key of a network made for an automatic pool.
pub(crate) const PENDING: &str = "auto-";
/// Automatic pools of one kind Docker may hold without a network; it asks without end when it dislikes them.
const HELD: usize = 8;

/// The id Docker knows a pool by: role and version, so that later kinds can be told apart.
pub(crate) fn public_id(key: &str) -> String {
    format!("l1:{key}")
}

/// The journal key in a pool id.
pub(crate) fn key_of(public: &str) -> Option<&str> {
    public.strip_prefix("l1:").filter(|key| uuid::Uuid::try_parse(key).is_ok())
}

impl Inner {
    pub(crate) async fn request_pool(&self, request: PoolRequest) -> Result<Pool> {
        let options = Options::read(&request.options)?;
        let mut row = PoolRow {
            id: uuid::Uuid::new_v4().to_string(),
            space: request.space.clone(),
            // Replaced below; an automatic range is not known yet.
            pool: IpNet::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            v6: request.v6,
            options: request.options.clone(),
            automatic: request.pool.is_none(),
            pending: None,
            existing: None,
            gateway: None,
            gateway_asked: None,
            aux: BTreeSet::new(),
            network: None,
            created: now(),
            released: None,
        };
        if let Some(pool) = request.pool {
            row.pool = explicit(pool, request.sub_pool)?;
            row.v6 = matches!(row.pool, IpNet::V6(_));
            row.gateway = first_usable(row.pool);
            if let Some(wanted) = options.subnet(row.v6) {
                let subnet = self.existing_subnet(wanted, &options, row.v6).await?;
                if subnet.cidr.trunc() != row.pool {
                    let reason = format!(
                        "its range is {}, not {}; drop --subnet or correct it",
                        subnet.cidr, row.pool
                    );
                    return Err(Error::Conflict { what: "subnet", resource: subnet.id, reason });
                }
                row.gateway = on(subnet.gateway_ip, subnet.cidr);
                row.existing = Some(subnet);
            }
            self.pools.put(&row.id, &row)?;
        } else {
            self.automatic(&mut row, &options).await?;
        }
        Ok(Pool { id: public_id(&row.id), pool: row.pool, gateway: row.gateway })
    }

    async fn automatic(&self, row: &mut PoolRow, options: &Options) -> Result<()> {
        // One at a time, so that the limit below counts.
        let _turn = self.locks.lock("automatic", &row.space).await;
        let alike = |p: &PoolRow| {
            p.automatic
                && p.network.is_none()
                && p.space == row.space
                && p.options == row.options
                && p.v6 == row.v6
        };
        if self.pools.all(alike).len() >= HELD {
            let reason = format!("{HELD} like it are held without a network; pass --subnet");
            return Err(Error::Conflict { what: "automatic pool", resource: row.space.clone(), reason });
        }
        let subnet = if let Some(wanted) = options.subnet(row.v6) {
            Some(self.existing_subnet(wanted, options, row.v6).await?)
        } else if let Some(wanted) = &options.network {
            Some(self.only_subnet(wanted, row.v6).await?)
        } else {
            None
        };
        if let Some(subnet) = subnet {
            self.refuse_overlap(subnet.cidr).await?;
            row.pool = subnet.cidr.trunc();
            row.gateway = on(subnet.gateway_ip, subnet.cidr);
            row.existing = Some(subnet);
            self.pools.put(&row.id, row)?;
            return Ok(());
        }
        self.allocate(row, options).await
    }

    /// Has Neutron cut a range from a subnet pool, which needs a network to put it on.
    async fn allocate(&self, row: &mut PoolRow, options: &Options) -> Result<()> {
        let by_default = if row.v6 {
            self.settings.default_subnetpool_v6.clone()
        } else {
            self.settings.default_subnetpool_v4.clone()
        };
        let wanted = options.pool(row.v6).cloned().unwrap_or(Existing::Name(by_default));
        let source = self.existing_pool(&wanted, row.v6).await?;
        let routes = self.host.links.onlink_routes().await.on_link("read the routes of", "every")?;
        let covering = |prefix: &IpNet| routes.iter().find(|(route, _)| route.contains(prefix));
        if let Some((_, device)) = source.prefixes.first().and_then(covering)
            && source.prefixes.iter().all(|p| covering(p).is_some())
        {
            return Err(Error::Overlap {
                range: format!("of subnet pool {}", source.name),
                device: device.clone(),
            });
        }
        let mark = uuid::Uuid::new_v4().simple().to_string();
        let short: String = mark.chars().take(8).collect();
        let mut network = NetworkRow {
            id: format!("{PENDING}{}", row.id),
            phase: Phase::Creating,
            late_until: None,
            name: format!("kuryr-net-{short}"),
            mark,
            neutron_id: None,
            adopted: false,
            shared: options.shared.filter(|shared| *shared),
            internal: false,
            mtu: 0,
            made_pools: Vec::new(),
            subnets: vec![SubnetRow {
                name: format!("kuryr-subnet-{short}"),
                cidr: None,
                v6: row.v6,
                id: None,
                ours: true,
                from_pool: Some(source.id.clone()),
                gateway: None,
                routes: Vec::new(),
                aux: BTreeSet::new(),
                pool: Some(row.id.clone()),
            }],
        };
        self.networks.put(&network.id, &network)?;
        let built = self.allocate_on(&mut network, source.default_prefixlen, row).await;
        if let Err(error) = built {
            self.abandon_network(network, &error).await;
            return Err(error);
        }
        Ok(())
    }

    async fn allocate_on(&self, network: &mut NetworkRow, prefixlen: u8, row: &mut PoolRow) -> Result<()> {
        self.make_network(network).await?;
        self.make_subnets(network, Some(prefixlen)).await?;
        let made = network.subnets.first().and_then(|s| s.cidr.map(|cidr| (cidr, s.gateway)));
        let Some((cidr, gateway)) = made else {
            let reason = "Neutron answered without a range; pass --subnet".to_owned();
            return Err(Error::Conflict { what: "automatic pool", resource: network.name.clone(), reason });
        };
        self.refuse_overlap(cidr).await?;
        row.pool = cidr;
        row.gateway = on(gateway, cidr);
        row.pending = Some(network.id.clone());
        network.phase = Phase::Ready;
        self.networks.put(&network.id, network)?;
        self.pools.put(&row.id, row)?;
        Ok(())
    }

    /// Docker asks again and again, without bound, when an automatic range overlaps a route of this host; only an
    /// error stops it.
    async fn refuse_overlap(&self, cidr: IpNet) -> Result<()> {
        let routes = self.host.links.onlink_routes().await.on_link("read the routes of", "every")?;
        match routes.into_iter().find(|(route, _)| route.contains(&cidr) || cidr.contains(route)) {
            Some((_, device)) => Err(Error::Overlap { range: cidr.to_string(), device }),
            None => Ok(()),
        }
    }

    pub(crate) async fn existing_pool(&self, wanted: &Existing, v6: bool) -> Result<SubnetPool> {
        let family = if v6 { 6 } else { 4 };
        let advice = "create it with `openstack subnet pool create`, or pass --subnet";
        let absent = || Error::NotFound { what: "subnet pool", resource: wanted.text().to_owned(), advice };
        let found = match wanted {
            Existing::Id(id) => match self.neutron.get_subnetpool(id).await {
                Err(e) if e.is_not_found() => return Err(absent()),
                other => vec![other.doing("get subnet pool", id)?],
            },
            Existing::Name(name) => {
                let mut all =
                    self.neutron.list_subnetpools(&[("name", name)]).await.doing("find subnet pool", name)?;
                all.retain(|p| p.name == *name);
                all
            }
        };
        let fitting: Vec<SubnetPool> =
            found.into_iter().filter(|p| p.ip_version == family || p.ip_version == 0).collect();
        only("subnet pool", wanted.text(), fitting, |p| p.id.clone(), absent)
    }

    async fn existing_subnet(&self, wanted: &Existing, options: &Options, v6: bool) -> Result<Subnet> {
        let advice = "check it with `openstack subnet list`";
        let absent = || Error::NotFound { what: "subnet", resource: wanted.text().to_owned(), advice };
        let mut found = match wanted {
            Existing::Id(id) => match self.neutron.get_subnet(id).await {
                Err(e) if e.is_not_found() => return Err(absent()),
                other => vec![other.doing("get subnet", id)?],
            },
            Existing::Name(name) => {
                let mut all =
                    self.neutron.list_subnets(&[("name", name)]).await.doing("find subnet", name)?;
                all.retain(|s| s.name == *name);
                all
            }
        };
        found.retain(|s| matches!(s.cidr, IpNet::V6(_)) == v6);
        if let Some(Existing::Id(network)) = &options.network {
            found.retain(|s| s.network_id == *network);
        }
        only("subnet", wanted.text(), found, |s| s.id.clone(), absent)
    }

    /// The one subnet of a family of an existing network.
    async fn only_subnet(&self, wanted: &Existing, v6: bool) -> Result<Subnet> {
        let network = match wanted {
            Existing::Id(id) => id.clone(),
            Existing::Name(_) => self.existing_network(wanted).await?.id,
        };
        let mut found = self
            .neutron
            .list_subnets(&[("network_id", &network)])
            .await
            .doing("list subnets of", &network)?;
        found.retain(|s| s.network_id == network && matches!(s.cidr, IpNet::V6(_)) == v6);
        let family = if v6 { "IPv6 subnet of network" } else { "IPv4 subnet of network" };
        let advice = "pass --subnet to have one made, or check the network's id";
        let absent = || Error::NotFound { what: family, resource: wanted.text().to_owned(), advice };
        only(family, wanted.text(), found, |s| format!("{} ({})", s.id, s.cidr), absent)
    }

    pub(crate) async fn release_pool(&self, public: &str) -> Result<()> {
        let Some(key) = key_of(public) else { return Ok(()) };
        let _turn = self.locks.lock("pool", key).await;
        let Some(mut row) = self.pools.get(key) else { return Ok(()) };
        if let Some(network) = &row.network
            && self.networks.get(network).is_some()
        {
            // Docker releases the pool before the network; the network takes it along.
            row.released = Some(now());
            self.pools.put(key, &row)?;
            return Ok(());
        }
        self.drop_pool(row).await
    }

    /// Removes a pool no network uses, with what was made for it.
    pub(crate) async fn drop_pool(&self, mut row: PoolRow) -> Result<()> {
        if row.released.is_none() {
            // Docker asks once; whatever fails now is finished by the sweeper.
            row.released = Some(now());
            self.pools.put(&row.id, &row)?;
        }
        if let Some(pending) = row.pending.as_deref().and_then(|key| self.networks.get(key)) {
            self.dismantle_network(pending).await?;
        }
        for port in self.ports.all(|p| p.pool.as_ref() == Some(&row.id)) {
            self.dismantle_port(port).await?;
        }
        Ok(self.pools.remove(&row.id)?)
    }
}

/// The one that fits, or advice.
pub(crate) fn only<T>(
    what: &'static str,
    resource: &str,
    found: Vec<T>,
    shown: impl Fn(&T) -> String,
    absent: impl FnOnce() -> Error,
) -> Result<T> {
    let choices = found.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(absent()),
        _ => Err(Error::Ambiguous { what, resource: resource.to_owned(), choices }),
    }
}

/// `--ip-range` is taken for the subnet, as users of the Python driver expect.
fn explicit(pool: IpNet, sub_pool: Option<IpNet>) -> Result<IpNet> {
    for range in [Some(pool), sub_pool].into_iter().flatten() {
        if range != range.trunc() {
            let reason = format!("bits are set beyond the prefix; write {}", range.trunc());
            return Err(Error::Invalid { what: "range", resource: range.to_string(), reason });
        }
    }
    match sub_pool {
        Some(sub) if !pool.contains(&sub) => {
            let reason = format!("outside --subnet {pool}");
            Err(Error::Invalid { what: "range", resource: sub.to_string(), reason })
        }
        Some(sub) => Ok(sub),
        None => Ok(pool),
    }
}

fn on(address: Option<IpAddr>, cidr: IpNet) -> Option<IpNet> {
    address.and_then(|a| IpNet::new(a, cidr.prefix_len()).ok())
}

/// First usable address (IPv4), or the one that ends in 1 (IPv6); none where the range has no room for a router.
fn first_usable(cidr: IpNet) -> Option<IpNet> {
    if cidr.prefix_len() + 1 >= cidr.max_prefix_len() {
        return None;
    }
    let address = match cidr {
        IpNet::V4(net) => IpAddr::V4(Ipv4Addr::from(u32::from(net.network()) + 1)),
        IpNet::V6(net) => IpAddr::V6(Ipv6Addr::from(u128::from(net.network()) + 1)),
    };
    on(Some(address), cidr)
}
