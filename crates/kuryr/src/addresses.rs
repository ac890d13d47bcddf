//! Addresses: a gateway is noted, an auxiliary address is kept free, a container's address is a port.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::api::{AddressKind, AddressRequest};
use crate::pools::{key_of, no_gateway};
use crate::ports::Wish;
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, PoolRow, PortRow, SubnetRow, now};
use crate::swarm::{Place, of_nodes_id};
use crate::{Error, Result};

/// Docker releases the address of an endpoint that was refused at once; in milliseconds.
const REFUSED_AGE: u64 = 60 * 1000;

impl Inner {
    pub(crate) async fn request_address(&self, request: AddressRequest) -> Result<IpNet> {
        let advice = "remove the Docker network and create it again";
        let absent = || Error::NotFound { what: "pool", resource: request.pool_id.clone(), advice };
        let key = key_of(&request.pool_id).ok_or_else(absent)?.to_owned();
        let turn = self.locks.lock("pool", &key).await;
        let pool = match self.pools.get(&key) {
            Some(pool) => pool,
            None if of_nodes_id(&request.pool_id).is_some() => {
                self.recognise_node_pool(&key).await?.ok_or_else(absent)?
            }
            None => self.take_pool(&request.pool_id, &key).await?.ok_or_else(absent)?,
        };
        if let Some(address) = request.address
            && !(pool.swarm && address.is_unspecified())
            && !pool.pool.contains(&address)
        {
            return Err(outside(address, pool.pool));
        }
        if request.kind == AddressKind::Gateway {
            return match request.address.filter(|_| pool.swarm) {
                // The manager has checked it.
                Some(gateway) => with_length(gateway, pool.pool),
                None => self.note_gateway(pool, request.address),
            };
        }
        let Some(network) = pool.network.clone() else {
            return self.note_aux(pool, request.address);
        };
        // Ports of one pool may be made side by side.
        drop(turn);
        let (network, subnet) = self.subnet_of(&network, &pool)?;
        if pool.swarm {
            return self.adopt_reservation(&request, &pool, &network, &subnet).await;
        }
        if let Some(address) = request.address {
            if pool.aux.contains(&address) || subnet.aux.contains(&address) {
                return Err(reserved(address, "kept free by --aux-address"));
            }
            if subnet.gateway == Some(address) {
                return Err(reserved(address, "the gateway's"));
            }
        }
        let wish = Wish {
            network: &network,
            subnet: &subnet,
            pool: Some(&pool),
            address: request.address,
            mac: request.mac,
            label: request.container_name,
            device: None,
            others: Vec::new(),
        };
        let row = self.reserve_for_container(&wish, &key).await?;
        row.address.ok_or_else(|| {
            let reason = "Neutron answered without an address; try again".to_owned();
            Error::Conflict { what: "range", resource: pool.pool.to_string(), reason }
        })
    }

    async fn reserve_for_container(&self, wish: &Wish<'_>, pool: &str) -> Result<PortRow> {
        // Both families of a container, and repetitions of a request, name one MAC.
        let _container = match wish.mac {
            Some(mac) => Some(self.locks.lock("mac", &format!("{} {mac}", wish.network.id)).await),
            None => None,
        };
        if let Some(row) = self.repeated(wish) {
            return Ok(row);
        }
        // Nothing is under way with that MAC, so what is unfinished is left over, and Neutron would refuse the MAC.
        if let Some(mac) = wish.mac {
            let left = |p: &PortRow| {
                p.network == wish.network.id
                    && p.mac == Some(mac)
                    && p.phase != Phase::Ready
                    && p.endpoint.is_none()
            };
            for row in self.ports.all(left) {
                self.dismantle_port(row).await?;
            }
        }
        let first_turn = match self.first_family(wish) {
            Some(first) => Some(self.locks.lock("address", &held(&first)).await),
            None => None,
        };
        let _turn = match wish.address {
            Some(address) => Some(self.locks.lock("address", &format!("{pool} {address}")).await),
            None => None,
        };
        let holder = wish.address.and_then(|address| Some((address, self.reservation(pool, address)?)));
        match holder {
            Some((address, row)) if row.phase == Phase::Ready => {
                let mac = row.port.as_ref().map(|p| p.mac_address);
                let other = wish.mac.is_some() && mac.is_some() && wish.mac != mac;
                if row.endpoint.is_none()
                    && !other
                    && let Some(row) = self.use_spare(&row.id, wish.label.clone())?
                {
                    return Ok(row);
                }
                if row.spare {
                    // Its MAC is another one's: a port is made for this container.
                    self.dismantle_port(row).await?;
                    return self.reserve(wish).await;
                }
                let owner =
                    row.endpoint.map_or_else(|| "another container".to_owned(), |e| format!("endpoint {e}"));
                let port = row.port.map(|p| p.id).unwrap_or_default();
                return Err(Error::AddressTaken { address, port, owner });
            }
            Some((_, unfinished)) => self.dismantle_port(unfinished).await?,
            None => {}
        }
        // Looked for again: it may have been given back while this waited.
        match self.first_family(wish) {
            Some(first) if first_turn.is_some() => self.reserve_beside(first, wish).await,
            _ => match self.take_spare(wish)? {
                Some(spare) => Ok(spare),
                None => self.reserve(wish).await,
            },
        }
    }

    /// The record that holds an address of a pool.
    pub(crate) fn reservation(&self, pool: &str, address: IpAddr) -> Option<PortRow> {
        let holds = |p: &PortRow| {
            p.pool.as_deref() == Some(pool) && p.address.is_some_and(|held| held.addr() == address)
        };
        self.ports.find(holds)
    }

    fn note_gateway(&self, mut pool: PoolRow, asked: Option<IpAddr>) -> Result<IpNet> {
        let proposed = pool.gateway.map(|g| g.addr());
        let fixed = pool.pending.is_some() || pool.existing.is_some();
        if let (Some(asked), Some(proposed)) = (asked, proposed)
            && fixed
            && asked != proposed
            && pool.network.is_none()
        {
            let reason = format!("the gateway of {} is {proposed}; drop --gateway or correct it", pool.pool);
            return Err(Error::Conflict { what: "gateway", resource: asked.to_string(), reason });
        }
        if let (Some(subnet), None) = (&pool.existing, proposed) {
            let Some(asked) = asked else { return Ok(no_gateway(pool.pool)) };
            let reason = format!("subnet {} has no gateway; drop --gateway or correct it", subnet.id);
            return Err(Error::Conflict { what: "gateway", resource: asked.to_string(), reason });
        }
        let Some(gateway) = asked.or(proposed) else {
            let reason = "it has no gateway; pass --gateway".to_owned();
            return Err(Error::Invalid { what: "range", resource: pool.pool.to_string(), reason });
        };
        let answer = with_length(gateway, pool.pool)?;
        if asked.is_some() && pool.gateway_asked != asked && pool.network.is_none() {
            pool.gateway_asked = asked;
            self.pools.put(&pool.id, &pool)?;
        }
        Ok(answer)
    }

    fn note_aux(&self, mut pool: PoolRow, address: Option<IpAddr>) -> Result<IpNet> {
        let Some(address) = address else {
            let advice = "create the network with this pool first";
            return Err(Error::NotFound { what: "network of pool", resource: pool.pool.to_string(), advice });
        };
        let answer = with_length(address, pool.pool)?;
        if pool.aux.insert(address) {
            self.pools.put(&pool.id, &pool)?;
        }
        Ok(answer)
    }

    /// The ready network of a pool and the subnet the pool stands for.
    fn subnet_of(&self, network: &str, pool: &PoolRow) -> Result<(NetworkRow, SubnetRow)> {
        let advice = "remove the Docker network and create it again";
        let absent = || Error::NotFound { what: "network of pool", resource: pool.pool.to_string(), advice };
        let row = self.networks.get(network).filter(|n| n.phase == Phase::Ready).ok_or_else(absent)?;
        let subnet = row.subnets.iter().find(|s| s.pool.as_ref() == Some(&pool.id)).cloned();
        Ok((row, subnet.ok_or_else(absent)?))
    }

    pub(crate) async fn release_address(&self, public: &str, address: IpAddr) -> Result<()> {
        if let Some(place) = Place::of_managers_id(public) {
            return self.release_global_address(&place, address).await;
        }
        let Some(key) = key_of(public) else { return Ok(()) };
        let _turn = self.locks.lock("address", &format!("{key} {address}")).await;
        let known = match self.reservation(key, address) {
            None if of_nodes_id(public).is_some() => self.forgotten_reservation(key, address).await?,
            known => known,
        };
        let Some(mut row) = known else { return self.forget_note(key, address).await };
        if row.endpoint.is_some() && self.forgive_refused(&mut row)? {
            return Ok(());
        }
        // Docker asks once; whatever fails now is finished by the sweeper.
        row.phase = Phase::Deleting;
        self.ports.put(&row.id, &row)?;
        if let Some(endpoint) = row.endpoint.clone() {
            // Docker does not delete an endpoint whose creation failed or whose answer it never saw.
            self.delete_endpoint(&endpoint).await?;
            row = match self.ports.get(&row.id) {
                Some(row) => row,
                None => return Ok(()),
            };
        }
        self.dismantle_port(row).await
    }

    /// Notes that an endpoint was refused an address another one has: Docker will release what it was not given.
    pub(crate) fn note_refused(&self, mut row: PortRow) {
        row.refused.push(now());
        if let Err(error) = self.ports.put(&row.id, &row) {
            tracing::error!(port = row.id, %error, "cannot note that an endpoint was refused this address");
        }
    }

    /// Whether a release is that of a refused endpoint: the address stays with the one that has it.
    fn forgive_refused(&self, row: &mut PortRow) -> Result<bool> {
        let old = now().saturating_sub(REFUSED_AGE);
        row.refused.retain(|at| *at >= old);
        if row.refused.is_empty() {
            return Ok(false);
        }
        row.refused.remove(0);
        self.ports.put(&row.id, row)?;
        Ok(true)
    }

    async fn forget_note(&self, key: &str, address: IpAddr) -> Result<()> {
        let _turn = self.locks.lock("pool", key).await;
        let Some(mut pool) = self.pools.get(key).filter(|p| p.network.is_none()) else { return Ok(()) };
        let gateway = pool.gateway_asked.take_if(|asked| *asked == address).is_some();
        if pool.aux.remove(&address) || gateway {
            self.pools.put(key, &pool)?;
        }
        Ok(())
    }
}

/// What the lock of a reservation's address is called.
pub(crate) fn held(row: &PortRow) -> String {
    let address = row.address.map(|a| a.addr().to_string()).unwrap_or_default();
    format!("{} {address}", row.pool.as_deref().unwrap_or_default())
}

fn with_length(address: IpAddr, pool: IpNet) -> Result<IpNet> {
    IpNet::new(address, pool.prefix_len()).map_err(|_| outside(address, pool))
}

fn outside(address: IpAddr, pool: IpNet) -> Error {
    let reason = format!("outside subnet {pool}; choose one inside");
    Error::Invalid { what: "address", resource: address.to_string(), reason }
}

fn reserved(address: IpAddr, whose: &str) -> Error {
    let reason = format!("{whose}; choose another address");
    Error::Conflict { what: "address", resource: address.to_string(), reason }
}
