//! Ports of networks whose addresses another IPAM driver chooses (`default`), or none does (`null`): made with the
//! endpoint and gone with it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::api::EndpointRequest;
use crate::ports::{Place, Wish, address_on};
use crate::service::Inner;
use crate::state::{NetworkRow, Phase, PortRow, SubnetRow};
use crate::{Error, Result};

/// Where an address is to be, and which, if that is decided.
type Spot<'a> = (&'a SubnetRow, Option<IpAddr>);

impl Inner {
    /// One port for all addresses, in one request. The first record carries it.
    pub(super) async fn reserve_foreign(
        &self,
        network: &NetworkRow,
        addresses: &[IpNet],
        request: &EndpointRequest,
    ) -> Result<Vec<PortRow>> {
        let spots = if addresses.is_empty() { undecided(network)? } else { decided(network, addresses)? };
        let mut spots = spots.into_iter();
        let Some((subnet, address)) = spots.next() else { return Err(unaddressed(&request.endpoint_id)) };
        let wish = Wish {
            network,
            subnet,
            pool: None,
            address,
            mac: request.mac,
            label: None,
            device: Some(request.endpoint_id.clone()),
            others: spots.collect(),
        };
        let carrier = self.reserve(&wish).await?;
        let mut rows = vec![carrier.clone()];
        for (subnet, wanted) in &wish.others {
            let place = Place::of(network, subnet)?;
            let placed = carrier.port.as_ref().and_then(|p| address_on(p, &place.subnet));
            let mut row = Wish { subnet, address: wanted.or(placed), others: Vec::new(), ..wish.clone() }
                .row(&place)?;
            row.devices.clear();
            row.merged_into = Some(carrier.id.clone());
            row.phase = Phase::Ready;
            self.ports.put(&row.id, &row)?;
            rows.push(row);
        }
        Ok(rows)
    }
}

/// The subnets of addresses somebody chose.
fn decided<'a>(network: &'a NetworkRow, addresses: &[IpNet]) -> Result<Vec<Spot<'a>>> {
    let advice = "use --ipam-driver kuryr, or an address of the network";
    let spot = |address: &IpNet| {
        let fits =
            |s: &&SubnetRow| s.pool.is_none() && s.cidr.is_some_and(|cidr| cidr.contains(&address.addr()));
        let absent =
            || Error::NotFound { what: "reservation of address", resource: address.to_string(), advice };
        Ok((network.subnets.iter().find(fits).ok_or_else(absent)?, Some(address.addr())))
    };
    addresses.iter().map(spot).collect()
}

/// One subnet of each family for Neutron to choose from.
fn undecided(network: &NetworkRow) -> Result<Vec<Spot<'_>>> {
    if network.subnets.iter().any(|s| s.pool.is_some()) {
        return Err(unaddressed(&network.id));
    }
    let of = |v6: bool| network.subnets.iter().find(|s| s.v6 == v6).map(|s| (s, None));
    Ok([of(false), of(true)].into_iter().flatten().collect())
}

fn unaddressed(resource: &str) -> Error {
    let reason = "no address; use --ipam-driver kuryr".to_owned();
    Error::Invalid { what: "endpoint", resource: resource.to_owned(), reason }
}
