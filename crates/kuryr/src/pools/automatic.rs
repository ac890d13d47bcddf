//! A range nobody named: that of an existing subnet, or one Neutron cuts from a subnet pool.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::PENDING;
use super::ranges::on;
use crate::attributes::Attributes;
use crate::error::LinkContext;
use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, PoolRow, SubnetRow, now};
use crate::swarm::Role;
use crate::{Error, Result};

/// Automatic pools of one kind Docker may hold without a network; it asks without end when it dislikes them.
const HELD: usize = 8;

impl Inner {
    pub(super) async fn automatic(&self, row: &mut PoolRow, options: &Options) -> Result<()> {
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
        let shared = self.guest.only_network().await?.map(Existing::Id);
        let subnet = if let Some(wanted) = options.subnet(row.v6) {
            Some(self.existing_subnet(wanted, options, row.v6, None).await?)
        } else if let Some(wanted) = options.network.as_ref().or(shared.as_ref()) {
            Some(self.only_subnet(wanted, row.v6).await?)
        } else {
            None
        };
        if let Some(subnet) = subnet {
            self.refuse_overlap(subnet.cidr).await.map_err(|error| match error {
                // Of the machine's own network that is always so.
                Error::Overlap { range, device } if shared.is_some() => Error::Conflict {
                    what: "automatic range",
                    reason: format!(
                        "Docker takes no range by itself that this virtual machine is on ({device}); pass --subnet \
                         {range}"
                    ),
                    resource: range,
                },
                other => other,
            })?;
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
        let mark = self.marks.fresh();
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
                address_mode: None,
                reserved: Vec::new(),
            }],
            taken: false,
            strip: Vec::new(),
            attributes: Attributes::default(),
            project: None,
            role: Role::Local,
            created: now(),
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
}
