//! Dual stack with a MAC: both of Docker's requests name it, so the second one is an address on the first one's port.

use std::net::IpAddr;

use ipnet::IpNet;
use openstack::MacAddr;
use openstack::network::{Port, PortUpdate, WantedIp};

use crate::error::CloudContext;
use crate::ports::{Place, Wish, address_on, refuse_derived};
use crate::service::{Inner, settle};
use crate::state::{Phase, PortRow};
use crate::{Error, Result};

impl Inner {
    /// The MAC of the port an address stands on.
    fn mac_of(&self, row: &PortRow) -> Option<MacAddr> {
        let port = match &row.merged_into {
            Some(main) => self.ports.get(main)?.port,
            None => row.port.clone(),
        };
        port.map(|p| p.mac_address)
    }

    /// The reservation an earlier, identical request made: Docker repeats one whose answer it never got.
    pub(crate) fn repeated(&self, wish: &Wish<'_>) -> Option<PortRow> {
        let (mac, pool) = (wish.mac?, wish.pool?);
        let candidates = self.ports.all(|p| {
            p.phase == Phase::Ready && p.endpoint.is_none() && !p.spare && p.pool.as_ref() == Some(&pool.id)
        });
        candidates.into_iter().find(|p| {
            self.mac_of(p) == Some(mac)
                // Another container's name: not a repetition.
                && (p.label.is_none() || wish.label.is_none() || p.label == wish.label)
                && wish.address.is_none_or(|a| p.address.is_some_and(|held| held.addr() == a))
        })
    }

    /// The reservation of the container's other family.
    pub(crate) fn first_family(&self, wish: &Wish<'_>) -> Option<PortRow> {
        let mac = wish.mac?;
        self.ports.find(|p| {
            p.phase == Phase::Ready
                && p.endpoint.is_none()
                && p.merged_into.is_none()
                && !p.spare
                && p.network == wish.network.id
                && p.address.is_some_and(|a| matches!(a, IpNet::V6(_)) != wish.subnet.v6)
                && p.port.as_ref().is_some_and(|port| port.mac_address == mac)
        })
    }

    /// An address of another family on the port of `carrier`: no request if it has one already, else one.
    pub(crate) async fn reserve_beside(&self, carrier: PortRow, wish: &Wish<'_>) -> Result<PortRow> {
        let place = Place::of(wish.network, wish.subnet)?;
        let mut row = wish.row(&place)?;
        // No request of its own names the reservation.
        row.devices.clear();
        row.merged_into = Some(carrier.id.clone());
        self.ports.put(&row.id, &row)?;
        let outcome = self.extend(&mut row, carrier, wish, &place).await;
        let outcome = outcome.and_then(|()| {
            row.phase = Phase::Ready;
            Ok(self.ports.put(&row.id, &row)?)
        });
        match outcome {
            Ok(()) => Ok(row),
            Err(error) => {
                self.abandon_port(row, &error).await;
                Err(error)
            }
        }
    }

    async fn extend(
        &self,
        row: &mut PortRow,
        mut carrier: PortRow,
        wish: &Wish<'_>,
        place: &Place,
    ) -> Result<()> {
        let advice = "start the container again";
        let absent = || Error::NotFound { what: "port of reservation", resource: carrier.id.clone(), advice };
        let mut port = carrier.port.clone().ok_or_else(absent)?;
        let derived = wish.subnet.derives_addresses();
        let fits = |port: &Port| match wish.address.filter(|_| !derived) {
            Some(wanted) => port
                .fixed_ips
                .iter()
                .find(|ip| ip.subnet_id == place.subnet && ip.ip_address == wanted)
                .map(|ip| ip.ip_address),
            None => address_on(port, &place.subnet),
        };
        if fits(&port).is_none() {
            port = self.add_address(&port, &place.subnet, wish.address.filter(|_| !derived), &fits).await?;
            carrier.port = Some(port.clone());
            self.ports.put(&carrier.id, &carrier)?;
        }
        let Some(address) = fits(&port) else {
            let reason = "Neutron answered without an address on the second subnet; try again".to_owned();
            return Err(Error::Conflict { what: "port", resource: port.id, reason });
        };
        refuse_derived(wish.address, address, port.mac_address)?;
        row.address = Some(place.with_length(address)?);
        Ok(())
    }

    async fn add_address(
        &self,
        port: &Port,
        subnet: &str,
        address: Option<IpAddr>,
        fits: &(impl Fn(&Port) -> Option<IpAddr> + Sync),
    ) -> Result<Port> {
        let kept = port
            .fixed_ips
            .iter()
            .map(|ip| WantedIp { subnet_id: ip.subnet_id.clone(), ip_address: Some(ip.ip_address) });
        let added = WantedIp { subnet_id: subnet.to_owned(), ip_address: address };
        let update = PortUpdate { fixed_ips: Some(kept.chain([added]).collect()), ..PortUpdate::default() };
        let changed = self.neutron.update_port(&port.id, &update, None).await;
        let look = async {
            let now = self.neutron.get_port(&port.id).await?;
            Ok(Some(now).filter(|p| fits(p).is_some()))
        };
        let refused = match settle(changed, look).await {
            Err(e) if e.is_conflict() && !e.is_over_quota() => e,
            other => return other.doing("add an address to port", &port.id),
        };
        // The address is another port's: say whose.
        match address {
            Some(address) => match self.port_with(subnet, address).await? {
                Some(other) => Err(crate::networks::taken(address, &other)),
                None => Err(refused).doing("add an address to port", &port.id),
            },
            None => Err(refused).doing("add an address to port", &port.id),
        }
    }
}
