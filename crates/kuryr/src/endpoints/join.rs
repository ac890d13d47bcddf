//! What Docker asks about an endpoint: answered from memory.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::api::{Joined, Route};
use crate::service::Inner;
use crate::state::{Phase, SubnetRow};
use crate::{Error, Result};

impl Inner {
    pub(crate) fn join(&self, network_id: &str, endpoint_id: &str) -> Result<Joined> {
        let advice = "start the container again";
        let absent = || Error::NotFound { what: "endpoint", resource: endpoint_id.to_owned(), advice };
        let ready =
            self.endpoints.get(endpoint_id).filter(|e| e.phase == Phase::Ready && e.network == network_id);
        let mut row = ready.ok_or_else(absent)?;
        let network = self.networks.get(network_id).ok_or_else(absent)?;
        let plug = row.plug.clone().ok_or_else(absent)?;
        let on = |s: &&SubnetRow| s.id.as_ref().is_some_and(|id| row.subnets.contains(id));
        let gateway = |v6: bool| -> Option<IpAddr> {
            // What routes has nobody to send to: everything goes out of its link.
            if network.internal || plug.routes() {
                return None;
            }
            network.subnets.iter().filter(on).find(|s| s.v6 == v6).and_then(|s| s.gateway)
        };
        let of_subnets = network
            .subnets
            .iter()
            .filter(on)
            .flat_map(|s| &s.routes)
            .filter(|r| r.destination.prefix_len() > 0)
            .map(|r| Route {
                destination: r.destination,
                // Neutron's way of writing an on-link route.
                next_hop: Some(r.nexthop).filter(|hop| !hop.is_unspecified() && !plug.routes()),
            });
        let everywhere = |v6: bool| {
            let wanted =
                plug.routes() && !network.internal && network.subnets.iter().filter(on).any(|s| s.v6 == v6);
            let destination = if v6 { IpNet::V6(Ipv6Net::default()) } else { IpNet::V4(Ipv4Net::default()) };
            wanted.then_some(Route { destination, next_hop: None })
        };
        let routes = everywhere(false).into_iter().chain(everywhere(true)).chain(of_subnets).collect();
        let joined = Joined {
            source_name: plug.container.clone(),
            prefix: self.settings.veth_dst_prefix.clone(),
            gateway: gateway(false),
            gateway6: gateway(true),
            routes,
        };
        if !row.joined {
            row.joined = true;
            self.endpoints.put(endpoint_id, &row)?;
        }
        Ok(joined)
    }

    pub(crate) fn leave(&self, endpoint_id: &str) -> Result<()> {
        if let Some(mut row) = self.endpoints.get(endpoint_id).filter(|e| e.joined) {
            row.joined = false;
            self.endpoints.put(endpoint_id, &row)?;
        }
        Ok(())
    }

    pub(crate) fn endpoint_info(&self, endpoint_id: &str) -> BTreeMap<String, String> {
        let Some(row) = self.endpoints.get(endpoint_id) else { return BTreeMap::new() };
        let mut info = BTreeMap::from([("phase".to_owned(), row.phase.text())]);
        if let Some(plug) = row.plug {
            info.insert("port".to_owned(), plug.port_id);
            info.insert("link".to_owned(), plug.host);
            info.insert("mac".to_owned(), plug.mac.to_string());
        }
        info
    }
}
