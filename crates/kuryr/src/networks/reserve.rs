//! Auxiliary addresses of adopted subnets: Neutron would give them to anybody, so a port of nobody holds each.
//! Subnets of our own leave them out of their allocation pools instead.

use openstack::network::{NewPort, Port, WantedIp};

use super::adopt::taken;
use crate::Result;
use crate::error::CloudContext;
use crate::service::{Inner, settle};
use crate::state::{NetworkRow, Reserved};

/// `device_owner` of a port that only keeps an address free.
pub(crate) const KEEPER: &str = "kuryr:reserved";

impl Inner {
    /// Makes all of the network's holding ports in one request, after writing down how to find them. An address
    /// that another Docker network keeps free already is free enough.
    pub(super) async fn reserve_aux(&self, row: &mut NetworkRow) -> Result<()> {
        let mut wanted = Vec::new();
        // Another IPAM driver keeps off them by itself, and may name them because they are taken.
        for subnet in row.subnets.iter_mut().filter(|s| !s.ours && s.pool.is_some()) {
            let Some(id) = &subnet.id else { continue };
            for address in &subnet.aux {
                let device = uuid::Uuid::new_v4().to_string();
                subnet.reserved.push(Reserved { address: *address, device: device.clone(), port: None });
                let new = NewPort {
                    network_id: row.neutron_id.clone().unwrap_or_default(),
                    name: format!("kuryr-reserved-{address}"),
                    device_owner: KEEPER.to_owned(),
                    device_id: device,
                    fixed_ips: vec![WantedIp { subnet_id: id.clone(), ip_address: Some(*address) }],
                    security_groups: Some(Vec::new()),
                    ..NewPort::default()
                };
                wanted.push(new);
            }
        }
        self.networks.put(&row.id, row)?;
        while !wanted.is_empty() {
            let look = async {
                let mut found = Vec::new();
                for new in &wanted {
                    found.extend(self.ports_of_device(&new.device_id).await?);
                }
                Ok(Some(found).filter(|found| found.len() == wanted.len()))
            };
            match settle(self.neutron.create_ports(&wanted).await, look).await {
                Ok(made) => {
                    note(row, &made);
                    return Ok(self.networks.put(&row.id, row)?);
                }
                Err(error) if error.is_conflict() && !error.is_over_quota() => {
                    let before = wanted.len();
                    wanted = self.without_kept(wanted).await?;
                    if wanted.len() == before {
                        return Err(error).doing("create ports for auxiliary addresses on", row.name.clone());
                    }
                    let kept = |r: &Reserved| wanted.iter().any(|new| new.device_id == r.device);
                    row.subnets.iter_mut().for_each(|s| s.reserved.retain(kept));
                    self.networks.put(&row.id, row)?;
                }
                Err(error) => {
                    return Err(error).doing("create ports for auxiliary addresses on", row.name.clone());
                }
            }
        }
        Ok(())
    }

    /// Leaves out what another Docker network keeps free.
    ///
    /// # Errors
    /// Somebody uses one of the addresses.
    async fn without_kept(&self, wanted: Vec<NewPort>) -> Result<Vec<NewPort>> {
        let mut rest = Vec::new();
        for new in wanted {
            let holder = match new.fixed_ips.first() {
                Some(WantedIp { subnet_id, ip_address: Some(address) }) => {
                    self.port_with(subnet_id, *address).await?.map(|port| (*address, port))
                }
                _ => None,
            };
            match holder {
                None => rest.push(new),
                Some((_, port)) if port.device_owner == KEEPER => {}
                Some((address, port)) => return Err(taken(address, &port)),
            }
        }
        Ok(rest)
    }

    /// Gives the addresses free.
    pub(super) async fn release_aux(&self, row: &NetworkRow) -> Result<()> {
        for reserved in row.subnets.iter().flat_map(|s| &s.reserved) {
            let ports = match &reserved.port {
                Some(id) => vec![id.clone()],
                None => {
                    let found = self.ports_of_device(&reserved.device).await;
                    let found = found.doing("find port of address", reserved.address.to_string())?;
                    found.into_iter().map(|p| p.id).collect()
                }
            };
            for id in ports {
                self.neutron.delete_port(&id).await.doing("delete port", &id)?;
            }
        }
        Ok(())
    }
}

fn note(row: &mut NetworkRow, made: &[Port]) {
    for reserved in row.subnets.iter_mut().flat_map(|s| &mut s.reserved) {
        reserved.port = made.iter().find(|p| p.device_id == reserved.device).map(|p| p.id.clone());
    }
}
