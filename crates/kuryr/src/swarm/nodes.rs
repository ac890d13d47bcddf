//! Swarm networks on a node: subnet and addresses are there already, and only found and adopted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use openstack::network::{Port, Subnet};

use super::holders;
use super::{Place, RESERVATION, Role, SUBNET, place, refuse_v6, users};
use crate::api::{AddressRequest, IpamData, NetworkRequest, Pool, PoolRequest};
use crate::error::CloudContext;
use crate::options::{Existing, Options};
use crate::pools::{explicit, on, only};
use crate::ports::{Wish, address_on};
use crate::service::Inner;
use crate::state::{NetworkRow, Originals, Phase, PoolRow, PortRow, SubnetRow, now};
use crate::{Error, Result, names, takeover};

impl Inner {
    /// The tag that says that a container of this host has an address.
    pub(super) fn node_tag(&self) -> String {
        holders::node(&self.settings.host)
    }

    /// The pool of a swarm network that comes to this node: the subnet a manager has tied to it.
    pub(crate) async fn request_node_pool(&self, request: PoolRequest) -> Result<Pool> {
        let options = Options::read(&request.options)?;
        let Some(range) = request.pool.map(|pool| explicit(pool, request.sub_pool)).transpose()? else {
            let reason =
                "networks of this plugin are Swarm's, which names the range; create them on a manager"
                    .to_owned();
            return Err(Error::Invalid { what: "range", resource: "none".to_owned(), reason });
        };
        refuse_v6(range)?;
        let subnet = self.subnet_on_node(&options, range).await?;
        let _turn = self.locks.lock("pool", &subnet.id).await;
        // Swarm makes the network anew when the engine starts, whether or not it could give the last one up.
        let row = match self.pools.get(&subnet.id) {
            Some(known) => {
                PoolRow { existing: Some(subnet.clone()), released: None, created: now(), ..known }
            }
            None => node_pool(&subnet),
        };
        self.pools.put(&row.id, &row)?;
        Ok(Pool { id: place::nodes_id(&row.id), pool: row.pool, gateway: row.gateway })
    }

    async fn subnet_on_node(&self, options: &Options, range: IpNet) -> Result<Subnet> {
        if let Some(wanted) = options.subnet(false) {
            let subnet = self.existing_subnet(wanted, options, false, Some(range)).await?;
            if subnet.cidr.trunc() == range {
                return Ok(subnet);
            }
            let reason = format!("its range is {}, not {range}; correct the network's --subnet", subnet.cidr);
            return Err(Error::Conflict { what: "subnet", resource: subnet.id, reason });
        }
        let text = range.to_string();
        let advice =
            "create the network on a manager, with capability_scope = global there and the same project";
        let absent = || Error::NotFound {
            what: "subnet of a swarm network with range",
            resource: text.clone(),
            advice,
        };
        if let Some(network) = &options.network {
            return self.subnet_with(network, range).await?.ok_or_else(absent);
        }
        let project = self.own_project().await?;
        let mut filters = vec![("cidr", text.as_str()), ("tags", SUBNET)];
        filters.extend(project.iter().map(|id| ("project_id", id.as_str())));
        let mut found = self.neutron.list_subnets(&filters).await.doing("find the subnet of range", &text)?;
        found.retain(|s| s.cidr.trunc() == range && s.tags.iter().any(|tag| tag == SUBNET));
        if found.len() > 1 {
            let all =
                found.iter().map(|s| format!("{} of {}", s.id, s.network_id)).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "several swarm networks have it ({all}), and Docker does not say here which is meant; create them with \
                 --ipam-opt neutron.subnet.uuid"
            );
            return Err(Error::Conflict { what: "range", resource: text, reason });
        }
        only("subnet", &text, found, |s| s.id.clone(), absent)
    }

    /// A swarm network comes to this node. Nothing is made and nothing tagged.
    pub(crate) async fn create_node_network(&self, request: NetworkRequest) -> Result<()> {
        names::check_docker_id("network", &request.id)?;
        let _turn = self.locks.lock("network", &request.id).await;
        if self.networks.get(&request.id).is_some_and(|n| n.phase == Phase::Ready) {
            return Ok(());
        }
        let options = Options::read(&request.options)?;
        let [data] = request.ipv4.as_slice() else {
            let reason = "it has not one IPv4 range; swarm networks have one".to_owned();
            return Err(Error::Invalid { what: "network", resource: request.id, reason });
        };
        let subnet = self.subnet_of_network(&options, data).await?;
        let network = self.neutron.get_network(&subnet.network_id).await;
        let network = network.doing("get network", &subnet.network_id)?;
        let mut row = node_network(&request.id, &subnet, self.marks.fresh());
        row.internal = request.internal;
        row.name = network.name;
        row.mtu = network.mtu;
        row.project = Some(network.project_id).filter(|project| !project.is_empty());
        row.attributes = self.resolve_afresh(&options.port).await?;
        let _turn = self.locks.lock("pool", &subnet.id).await;
        let pool = self.pools.get(&subnet.id).unwrap_or_else(|| node_pool(&subnet));
        self.pools.put(&subnet.id, &PoolRow { network: Some(row.id.clone()), released: None, ..pool })?;
        Ok(self.networks.put(&row.id, &row)?)
    }

    /// The subnet by the options that the manager gave; the pool asked for just before saves the look.
    async fn subnet_of_network(&self, options: &Options, data: &IpamData) -> Result<Subnet> {
        let range = data.pool.trunc();
        let fits = |s: &Subnet| {
            let meant = match options.subnet(false) {
                Some(Existing::Id(id)) => *id == s.id,
                _ => true,
            };
            meant && s.cidr.trunc() == range
        };
        let pools = self.pools.all(|p| p.existing.as_ref().is_some_and(fits));
        match pools.into_iter().max_by_key(|p| p.created).and_then(|p| p.existing) {
            Some(subnet) => Ok(subnet),
            None => self.subnet_on_node(options, range).await,
        }
    }

    /// A swarm network that this node's engine knows and the journal does not.
    pub(crate) async fn recognise_node_network(&self, id: &str) -> Result<()> {
        let tags = names::network_tags(id, false).join(",");
        let found = self.neutron.list_networks(&[("tags", &tags)]).await;
        for network in found.doing("find the network of Docker network", id)? {
            let filter = [("network_id", network.id.as_str())];
            let subnets = self.neutron.list_subnets(&filter).await;
            let subnets = subnets.doing("list subnets of network", &network.id)?;
            if let Some(subnet) = subnets.iter().find(|s| users(s).any(|user| user == id)) {
                let row = NetworkRow { mtu: network.mtu, ..node_network(id, subnet, self.marks.fresh()) };
                tracing::info!(network = id, subnet = subnet.id, "recognised by its tags");
                return Ok(self.networks.put(id, &row)?);
            }
        }
        Ok(())
    }

    /// A pool that this node's engine knows and the journal does not. The caller holds the pool's lock.
    pub(crate) async fn recognise_node_pool(&self, key: &str) -> Result<Option<PoolRow>> {
        let subnet = match self.neutron.get_subnet(key).await {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other.doing("get subnet", key)?,
        };
        let user = users(&subnet).next().map(str::to_owned);
        if let Some(user) =
            user.as_ref().filter(|user| names::is_docker_id(user) && self.networks.get(user).is_none())
        {
            self.recognise_node_network(user).await?;
        }
        let row = PoolRow { network: user, ..node_pool(&subnet) };
        self.pools.put(key, &row)?;
        Ok(Some(row))
    }

    /// The address of a task on this node: the manager's reservation, which has it already.
    pub(crate) async fn adopt_reservation(
        &self,
        request: &AddressRequest,
        pool: &PoolRow,
        network: &NetworkRow,
        subnet: &SubnetRow,
    ) -> Result<IpNet> {
        let on_subnet = crate::ports::Place::of(network, subnet)?;
        let key = format!("{} {}", pool.id, request.address.map(|a| a.to_string()).unwrap_or_default());
        let _turn = self.locks.lock("address", &key).await;
        if let Some(row) = request.address.and_then(|address| self.reservation(&pool.id, address)) {
            match (row.phase, &row.endpoint, row.address) {
                // Docker repeats a request whose answer was lost.
                (Phase::Ready, None, Some(held)) => return Ok(held),
                (Phase::Ready, Some(endpoint), Some(held)) => {
                    return Err(Error::AddressTaken {
                        address: held.addr(),
                        owner: format!("endpoint {endpoint}"),
                        port: row.port.map(|p| p.id).unwrap_or_default(),
                    });
                }
                _ => self.dismantle_port(row).await?,
            }
        }
        let wish = Wish {
            network,
            subnet,
            pool: Some(pool),
            address: request.address,
            mac: None,
            label: request.container_name.clone(),
            device: None,
            others: Vec::new(),
        };
        let mut row = PortRow { swarm: true, ..wish.row(&on_subnet)? };
        self.ports.put(&row.id, &row)?;
        let taken = self.take_reservation(&mut row, request.address, pool).await;
        match taken.and_then(|address| {
            row.phase = Phase::Ready;
            row.address = Some(address);
            self.ports.put(&row.id, &row)?;
            Ok(address)
        }) {
            Ok(address) => Ok(address),
            Err(error) => {
                self.abandon_port(row, &error).await;
                Err(error)
            }
        }
    }

    async fn take_reservation(
        &self,
        row: &mut PortRow,
        address: Option<IpAddr>,
        pool: &PoolRow,
    ) -> Result<IpNet> {
        let Some(subnet) = &pool.existing else {
            let advice = "remove the service and create it again";
            return Err(Error::NotFound { what: "subnet of pool", resource: pool.id.clone(), advice });
        };
        let place = Place::of(subnet);
        let mine = self.node_tag();
        let port = match address {
            // The request that binds it shows whether it is being deleted.
            Some(address) => self.reservation_of(&place, address, &mine, true).await?,
            None => self.new_reservation(&place, None, &mine).await?,
        };
        let got = address_on(&port, &place.subnet).or(address);
        row.originals = Some(as_reservation(&port));
        row.port = Some(port);
        self.ports.put(&row.id, row)?;
        got.and_then(|got| IpNet::new(got, place.range.prefix_len()).ok()).ok_or_else(|| {
            let reason = "Neutron answered without an address on the subnet; try again".to_owned();
            Error::Conflict { what: "range", resource: place.range.to_string(), reason }
        })
    }

    /// Refuses to a node what a container of another one has.
    pub(super) fn refuse_elsewhere(&self, port: &Port, address: IpAddr, mine: &str) -> Result<()> {
        let host = port.host_id.clone().unwrap_or_default();
        let other = mine != holders::MANAGER && holders::other_node(port, mine);
        if !other || host.is_empty() || host == self.settings.host {
            return Ok(());
        }
        let owner = format!("a container on host {host}");
        Err(Error::AddressTaken { address, port: port.id.clone(), owner })
    }

    /// The end of a container's hold on its reservation: as it was while the manager still needs it, else deleted.
    pub(crate) async fn leave_reservation(&self, row: &PortRow) -> Result<()> {
        let mine = self.node_tag();
        let port = match &row.port {
            Some(port) => match self.neutron.get_port(&port.id).await {
                Err(error) if error.is_not_found() => None,
                other => Some(other.doing("get port", &port.id)?),
            },
            // It was being taken.
            None => match row.address {
                Some(address) => self.port_with(&row.subnet_id, address.addr()).await?,
                None => None,
            },
        };
        let Some(mut port) = port else { return Ok(()) };
        if !super::is_reservation(&port) {
            return Ok(());
        }
        let held = holders::manager(&port.tags) || holders::other_node(&port, &mine);
        let bound_here = port.host_id.as_deref() == Some(self.settings.host.as_str());
        if held && bound_here && row.devices.contains(&port.device_id) {
            let originals = row.originals.clone().unwrap_or_else(|| as_reservation(&port));
            port = self.unbind_reservation(port, &originals).await?;
        }
        self.release_port(port, &mine).await
    }

    pub(super) async fn unbind_reservation(&self, port: Port, originals: &Originals) -> Result<Port> {
        let mut restore = crate::release::restoration(originals, &port);
        if port.name == holders::RELEASED {
            return Ok(port);
        }
        if restore.mac_address.is_some() || restore.extras.vnic_type.is_some() {
            // These cannot change on a bound port.
            let unbind =
                openstack::network::PortUpdate { host_id: Some(String::new()), ..Default::default() };
            self.neutron.update_port(&port.id, &unbind, None).await.doing("unbind port", &port.id)?;
        }
        restore.fixed_ips = None;
        // Not the name: by that somebody may be giving it up.
        restore.name = None;
        match self.neutron.update_port(&port.id, &restore, None).await {
            Err(error) if error.is_not_found() => Ok(port),
            other => other.doing("give back port", &port.id),
        }
    }

    /// The port of an address that Docker gives up and no record names: of a container before the journal was lost.
    pub(crate) async fn forgotten_reservation(&self, pool: &str, address: IpAddr) -> Result<Option<PortRow>> {
        let gateway = self.pools.get(pool).and_then(|p| p.gateway).map(|gateway| gateway.addr());
        if gateway == Some(address) || address.is_unspecified() {
            return Ok(None);
        }
        let mine = self.node_tag();
        let Some(port) = self.port_with(pool, address).await? else { return Ok(None) };
        if !super::is_reservation(&port) || !port.tags.contains(&mine) {
            return Ok(None);
        }
        Ok(Some(PortRow {
            pool: Some(pool.to_owned()),
            originals: Some(as_reservation(&port)),
            devices: BTreeSet::from([port.device_id.clone()]),
            address: Some(address.into()),
            swarm: true,
            ..PortRow::of(port)
        }))
    }

    /// Whether a port that was changed for an endpoint was being deleted at that moment.
    pub(crate) fn check_held(&self, port: &Port) -> Result<()> {
        if port.name != holders::RELEASED {
            return Ok(());
        }
        let reason =
            "the manager gave its address up meanwhile; the task is to start again with another".to_owned();
        Err(Error::Conflict { what: "port", resource: port.id.clone(), reason })
    }
}

/// How a reservation is while no container has it.
pub(super) fn as_reservation(port: &Port) -> Originals {
    Originals {
        device_owner: RESERVATION.to_owned(),
        device_id: String::new(),
        host_id: None,
        ..Originals::of(port)
    }
}

fn node_pool(subnet: &Subnet) -> PoolRow {
    PoolRow {
        id: subnet.id.clone(),
        space: String::new(),
        pool: subnet.cidr.trunc(),
        v6: false,
        options: std::collections::BTreeMap::new(),
        automatic: false,
        pending: None,
        existing: Some(subnet.clone()),
        gateway: on(subnet.gateway_ip, subnet.cidr),
        gateway_asked: None,
        aux: BTreeSet::new(),
        network: None,
        created: now(),
        released: None,
        taken: false,
        bare: false,
        swarm: true,
    }
}

fn node_network(id: &str, subnet: &Subnet, mark: String) -> NetworkRow {
    let facts = SubnetRow { pool: Some(subnet.id.clone()), ..takeover::subnet_row(subnet, false) };
    NetworkRow {
        neutron_id: Some(subnet.network_id.clone()),
        subnets: vec![facts],
        taken: false,
        role: Role::Node,
        created: now(),
        ..takeover::taken_row(id, mark)
    }
}
