//! Dual stack: Docker asks for two addresses in two requests that share no key; at the endpoint they become one
//! port with two addresses.

use openstack::network::WantedIp;

use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::PortRow;
use crate::{Error, Result};

impl Inner {
    /// Puts the port's record first that carries the endpoint; the others only hold addresses on it.
    pub(super) fn carrier_first(&self, mut rows: Vec<PortRow>) -> Result<Vec<PortRow>> {
        if let [one] = rows.as_slice()
            && let Some(main) = one.merged_into.as_deref().and_then(|id| self.ports.get(id))
        {
            rows.insert(0, main);
        }
        let adopted = rows.iter().filter(|r| r.originals.is_some()).count();
        if adopted > 1 {
            let addresses: Vec<String> =
                rows.iter().filter_map(|r| r.address.map(|a| a.to_string())).collect();
            let reason = "they are on different existing ports; choose addresses of one port".to_owned();
            return Err(Error::Conflict { what: "addresses", resource: addresses.join(", "), reason });
        }
        rows.sort_by_key(|r| (r.merged_into.is_some(), r.originals.is_none()));
        Ok(rows)
    }

    /// Frees the other reservations' addresses for the carrier's port.
    pub(super) async fn merge(&self, carrier: &PortRow, others: &mut [PortRow]) -> Result<()> {
        for other in others {
            other.merged_into = Some(carrier.id.clone());
            self.ports.put(&other.id, other)?;
            if let Some(port) = &other.port {
                self.neutron.delete_port(&port.id).await.doing("merge port", &port.id)?;
                other.port = None;
                self.ports.put(&other.id, other)?;
            }
        }
        Ok(())
    }
}

/// All addresses the carrier's port must have, if it has not all of them yet.
pub(super) fn addresses_to_set(carrier: &PortRow, others: &[PortRow]) -> Option<Vec<WantedIp>> {
    let has = carrier.port.as_ref().map(|p| p.fixed_ips.as_slice()).unwrap_or_default();
    let missing: Vec<WantedIp> = others
        .iter()
        .filter_map(|o| Some((o.subnet_id.clone(), o.address?.addr())))
        .filter(|(_, address)| !has.iter().any(|ip| ip.ip_address == *address))
        .map(|(subnet_id, address)| WantedIp { subnet_id, ip_address: Some(address) })
        .collect();
    if missing.is_empty() {
        return None;
    }
    let kept =
        has.iter().map(|ip| WantedIp { subnet_id: ip.subnet_id.clone(), ip_address: Some(ip.ip_address) });
    Some(kept.chain(missing).collect())
}
