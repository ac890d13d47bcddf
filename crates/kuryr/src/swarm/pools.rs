//! Pools in the global address space: get or create, at once, because a manager never creates a network.

use std::collections::BTreeSet;

use ipnet::IpNet;
use openstack::network::{Subnet, Taggable};

use super::{MANAGED, Place, Role, is_made, range_tag, refuse_v6, users};
use crate::api::{Pool, PoolRequest};
use crate::attributes::Attributes;
use crate::error::CloudContext;
use crate::names;
use crate::options::{Existing, Options};
use crate::pools::{explicit, first_usable, on};
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, SubnetRow, now};
use crate::{Error, Result};

impl Inner {
    /// The pool of a swarm network, on a manager: an existing subnet, one made earlier for that range, or a new one.
    pub(crate) async fn request_global_pool(&self, request: PoolRequest) -> Result<Pool> {
        let options = Options::read(&request.options)?;
        let range = request.pool.map(|pool| explicit(pool, request.sub_pool)).transpose()?;
        if let Some(range) = range {
            refuse_v6(range)?;
        }
        if request.v6 {
            refuse_v6(IpNet::V6(ipnet::Ipv6Net::default()))?;
        }
        if !self.keeps_tags(Taggable::Port).await {
            let reason =
                "it keeps no tags, which say who needs an address; use capability_scope = local".to_owned();
            return Err(Error::Invalid { what: "Neutron", resource: "standard-attr-tag".to_owned(), reason });
        }
        let name = range.map_or_else(|| "automatic".to_owned(), |range| range.to_string());
        let _turn = self.locks.lock("global pool", &name).await;
        let subnet = match self.subnet_named(&options, range).await? {
            Some(subnet) => subnet,
            None => self.subnet_to_make(&options, range).await?,
        };
        self.swarm.remember(&subnet);
        let gateway = on(subnet.gateway_ip, subnet.cidr);
        Ok(Pool { id: Place::of(&subnet).managers_id(), pool: subnet.cidr.trunc(), gateway })
    }

    /// The existing subnet that the options name, directly or by its network.
    async fn subnet_named(&self, options: &Options, range: Option<IpNet>) -> Result<Option<Subnet>> {
        if let Some(wanted) = options.subnet(false) {
            let subnet = self.existing_subnet(wanted, options, false, range).await?;
            if let Some(range) = range.filter(|range| *range != subnet.cidr.trunc()) {
                let reason =
                    format!("its range is {}, not {range}; drop --subnet or correct it", subnet.cidr);
                return Err(Error::Conflict { what: "subnet", resource: subnet.id, reason });
            }
            return Ok(Some(subnet));
        }
        match (&options.network, range) {
            (Some(network), Some(range)) => self.subnet_with(network, range).await,
            (Some(network), None) => self.only_subnet(network, false).await.map(Some),
            (None, Some(range)) => self.made_subnet(&subnet_row(Some(range), None)).await,
            (None, None) => Ok(None),
        }
    }

    /// A subnet where there is none yet: on the network that the options name, or on one of its own.
    async fn subnet_to_make(&self, options: &Options, range: Option<IpNet>) -> Result<Subnet> {
        let network = match &options.network {
            Some(wanted) => Some(self.existing_network(wanted).await?),
            None => None,
        };
        let source = match (options.pool(false), range) {
            (None, Some(_)) => None,
            (wanted, _) => {
                let default = Existing::Name(self.settings.default_subnetpool_v4.clone());
                Some(self.existing_pool(wanted.unwrap_or(&default), false).await?)
            }
        };
        if let (Some(pool), Some(range)) = (&source, range) {
            crate::networks::refuse_outside(pool, range)?;
        }
        let mark = super::fresh_mark(&self.marks);
        let short: String = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect();
        let mut row = NetworkRow {
            id: format!("{MANAGED}{}", uuid::Uuid::new_v4()),
            phase: Phase::Creating,
            late_until: None,
            mark,
            name: network.as_ref().map_or_else(|| format!("kuryr-net-{short}"), |n| n.name.clone()),
            neutron_id: network.as_ref().map(|n| n.id.clone()),
            adopted: network.is_some(),
            shared: options.shared.filter(|shared| *shared && network.is_none()),
            internal: false,
            mtu: 0,
            made_pools: Vec::new(),
            subnets: vec![subnet_row(range, source.as_ref().map(|pool| pool.id.clone()))],
            taken: false,
            strip: Vec::new(),
            attributes: Attributes::default(),
            project: None,
            role: Role::Manager,
            created: now(),
        };
        self.networks.put(&row.id, &row)?;
        let made = self.make_subnet(&mut row, options, source.map(|pool| pool.default_prefixlen)).await;
        match made {
            Ok(subnet) if row.subnets.iter().any(|s| s.id.as_ref() == Some(&subnet.id)) => {
                // Until it is allocated: an engine that dies now never asks for it again.
                row.phase = Phase::Ready;
                self.networks.put(&row.id, &row)?;
                Ok(subnet)
            }
            Ok(subnet) => {
                self.networks.remove(&row.id)?;
                Ok(subnet)
            }
            Err(error) => {
                self.abandon_network(row, &error).await;
                Err(error)
            }
        }
    }

    async fn make_subnet(
        &self,
        row: &mut NetworkRow,
        options: &Options,
        length: Option<u8>,
    ) -> Result<Subnet> {
        let range = row.subnets.first().and_then(|s| s.cidr);
        if let (false, Some(_)) = (row.adopted, range) {
            return self.make_once(row).await;
        }
        // On one network Neutron itself refuses a second subnet of a range; and a range nobody named is asked for once.
        self.make_network(row).await?;
        let refused = match self.make_subnets(row, length).await {
            Ok(()) => {
                let first = row.subnets.first().cloned();
                if let (false, Some(range), Some(id)) =
                    (row.adopted, first.as_ref().and_then(|s| s.cidr), &row.neutron_id)
                {
                    // What a replay finds it by, which names the range.
                    self.add_tags(Taggable::Network, id, &[range_tag(range)]).await?;
                }
                let made = first.and_then(|s| s.id).unwrap_or_default();
                return self.neutron.get_subnet(&made).await.doing("get subnet", &made);
            }
            Err(error) => error,
        };
        match (&options.network, range) {
            (Some(network), Some(range)) if refused.changed_nothing() => {
                self.subnet_with(network, range).await?.ok_or(refused)
            }
            _ => Err(refused),
        }
    }

    /// A manager's engine gives a pool up: what was made for it and never allocated goes.
    pub(crate) async fn release_global_pool(&self, place: &Place) -> Result<()> {
        let _turn = self.locks.lock("global pool", &place.range.to_string()).await;
        self.swarm.forget(&place.subnet);
        let subnet = match self.neutron.get_subnet(&place.subnet).await {
            Err(error) if error.is_not_found() => return Ok(()),
            other => other.doing("get subnet", &place.subnet)?,
        };
        if users(&subnet).next().is_some() || !is_made(&subnet.description) {
            return Ok(());
        }
        let mut row = match self.networks.find(|n| {
            n.role == Role::Manager && n.subnets.iter().any(|s| s.id.as_ref() == Some(&place.subnet))
        }) {
            Some(row) => row,
            None => self.row_of(&subnet).await?,
        };
        row.phase = Phase::Deleting;
        self.networks.put(&row.id, &row)?;
        self.dismantle_network(row).await
    }
}

pub(super) fn subnet_row(range: Option<IpNet>, from_pool: Option<String>) -> SubnetRow {
    SubnetRow {
        name: range.map_or_else(|| "kuryr-subnet".to_owned(), names::subnet_name),
        cidr: range,
        v6: false,
        id: None,
        ours: true,
        from_pool,
        gateway: range.and_then(first_usable).map(|gateway| gateway.addr()),
        routes: Vec::new(),
        aux: BTreeSet::new(),
        pool: Some(String::new()),
        address_mode: None,
        reserved: Vec::new(),
    }
}
