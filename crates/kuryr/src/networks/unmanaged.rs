//! Networks under Docker's `null` IPAM driver, which names no range: an existing network's own ranges are used, and
//! Neutron chooses each container's addresses.

use ipnet::IpNet;
use openstack::network::Subnet;

use crate::api::{IpamData, NetworkRequest};
use crate::error::CloudContext;
use crate::options::{Existing, Options};
use crate::pools::only;
use crate::service::Inner;
use crate::{Error, Result};

impl Inner {
    /// Puts the ranges of the existing network in the place of none; any other request stays as it is.
    ///
    /// # Errors
    /// No existing network is named; it has none or several subnets of a family and no option chooses.
    pub(super) async fn with_ranges(
        &self,
        mut request: NetworkRequest,
        options: &mut Options,
    ) -> Result<NetworkRequest> {
        let mut pools = request.ipv4.iter().chain(&request.ipv6).map(|data| data.pool);
        let Some(shown) = pools.next().filter(|pool| pool.prefix_len() == 0) else { return Ok(request) };
        if pools.any(|pool| pool.prefix_len() != 0) {
            return Ok(request);
        }
        let mut chosen = Vec::new();
        for v6 in [false, true] {
            if let Some(wanted) = options.subnet(v6) {
                chosen.push(self.existing_subnet(wanted, options, v6, None).await?);
            }
        }
        let network = match (&options.network, chosen.first()) {
            (Some(Existing::Id(id)), _) => id.clone(),
            (Some(named), _) => self.existing_network(named).await?.id,
            (None, Some(subnet)) => subnet.network_id.clone(),
            (None, None) => {
                let reason = "no range; name an existing network with -o neutron.net.uuid, \
                              or use --ipam-driver kuryr and --subnet";
                let resource = shown.to_string();
                return Err(Error::Invalid { what: "network range", resource, reason: reason.to_owned() });
            }
        };
        if let Some(other) = chosen.iter().find(|s| s.network_id != network) {
            let reason =
                format!("it is on network {}, not {network}; correct one of the options", other.network_id);
            return Err(Error::Conflict { what: "subnet", resource: other.id.clone(), reason });
        }
        if chosen.is_empty() {
            chosen = self.subnets_to_choose(&network).await?;
        }
        let data = |subnet: &Subnet| IpamData {
            pool: subnet.cidr.trunc(),
            gateway: subnet.gateway_ip.and_then(|ip| IpNet::new(ip, subnet.cidr.prefix_len()).ok()),
            aux: Vec::new(),
        };
        let of = |v6: bool| chosen.iter().filter(move |s| matches!(s.cidr, IpNet::V6(_)) == v6);
        request.ipv4 = of(false).map(data).collect();
        request.ipv6 = of(true).map(data).collect();
        request.foreign_ipam = true;
        options.network = Some(Existing::Id(network));
        Ok(request)
    }

    /// The subnets of a network of which each family has one at most.
    async fn subnets_to_choose(&self, network: &str) -> Result<Vec<Subnet>> {
        let filter = [("network_id", network)];
        let mut found = self.neutron.list_subnets(&filter).await.doing("list subnets of network", network)?;
        found.retain(|s| s.network_id == network);
        let mut chosen = Vec::new();
        for (v6, what) in [(false, "IPv4 subnet of network"), (true, "IPv6 subnet of network")] {
            let family: Vec<Subnet> =
                found.iter().filter(|s| matches!(s.cidr, IpNet::V6(_)) == v6).cloned().collect();
            if family.is_empty() {
                continue;
            }
            let advice = "check it with `openstack subnet list`";
            let absent = || Error::NotFound { what, resource: network.to_owned(), advice };
            chosen.push(only(what, network, family, |s| format!("{} ({})", s.id, s.cidr), absent)?);
        }
        if chosen.is_empty() {
            let reason = "it has no subnet; make one, or use --ipam-driver kuryr and --subnet".to_owned();
            return Err(Error::Conflict { what: "network", resource: network.to_owned(), reason });
        }
        Ok(chosen)
    }
}
