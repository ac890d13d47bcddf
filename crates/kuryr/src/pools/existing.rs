//! Subnet pools and subnets that existed before, found by id or name.

use ipnet::IpNet;
use openstack::network::{Subnet, SubnetPool};

use crate::error::CloudContext;
use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::{Error, Result};

impl Inner {
    pub(crate) async fn existing_pool(&self, wanted: &Existing, v6: bool) -> Result<SubnetPool> {
        let family = if v6 { 6 } else { 4 };
        let advice = "create it with `openstack subnet pool create`, or pass --subnet";
        let absent = || Error::NotFound { what: "subnet pool", resource: wanted.text().to_owned(), advice };
        let found = match wanted {
            Existing::Id(id) => match self.neutron.get_subnetpool(id).await {
                Err(e) if e.is_not_found() => return Err(absent()),
                other => vec![other.doing("get subnet pool", id)?],
            },
            Existing::Name(name) => {
                let mut all =
                    self.neutron.list_subnetpools(&[("name", name)]).await.doing("find subnet pool", name)?;
                all.retain(|p| p.name == *name);
                all
            }
        };
        let fitting: Vec<SubnetPool> =
            found.into_iter().filter(|p| p.ip_version == family || p.ip_version == 0).collect();
        only("subnet pool", wanted.text(), fitting, |p| p.id.clone(), absent)
    }

    /// The subnet the user named; `range` chooses among several of that name.
    pub(crate) async fn existing_subnet(
        &self,
        wanted: &Existing,
        options: &Options,
        v6: bool,
        range: Option<IpNet>,
    ) -> Result<Subnet> {
        let advice = "check it with `openstack subnet list`";
        let absent = || Error::NotFound { what: "subnet", resource: wanted.text().to_owned(), advice };
        let mut found = match wanted {
            Existing::Id(id) => match self.neutron.get_subnet(id).await {
                Err(e) if e.is_not_found() => return Err(absent()),
                other => vec![other.doing("get subnet", id)?],
            },
            Existing::Name(name) => {
                let mut all =
                    self.neutron.list_subnets(&[("name", name)]).await.doing("find subnet", name)?;
                all.retain(|s| s.name == *name);
                all
            }
        };
        found.retain(|s| matches!(s.cidr, IpNet::V6(_)) == v6);
        let network = match &options.network {
            Some(Existing::Id(id)) => Some(id.clone()),
            Some(name) if found.len() > 1 => Some(self.existing_network(name).await?.id),
            _ => None,
        };
        if let Some(network) = network {
            let elsewhere = found.iter().map(|s| s.network_id.clone()).next();
            found.retain(|s| s.network_id == network);
            if let (true, Some(other)) = (found.is_empty(), elsewhere) {
                let reason = format!("it is on network {other}, not {network}; correct one of the options");
                let resource = wanted.text().to_owned();
                return Err(Error::Conflict { what: "subnet", resource, reason });
            }
        }
        if let (true, Some(range)) = (found.len() > 1, range) {
            found.retain(|s| s.cidr.trunc() == range);
        }
        only("subnet", wanted.text(), found, |s| s.id.clone(), absent)
    }

    /// The subnet with exactly that range on an existing network; none if it is still to be made.
    pub(crate) async fn subnet_with(&self, wanted: &Existing, range: IpNet) -> Result<Option<Subnet>> {
        let network = match wanted {
            Existing::Id(id) => id.clone(),
            Existing::Name(_) => self.existing_network(wanted).await?.id,
        };
        let filter = [("network_id", network.as_str())];
        let found = self.neutron.list_subnets(&filter).await.doing("list subnets of network", &network)?;
        Ok(found.into_iter().find(|s| s.network_id == network && s.cidr.trunc() == range))
    }

    /// The one subnet of a family of an existing network.
    pub(crate) async fn only_subnet(&self, wanted: &Existing, v6: bool) -> Result<Subnet> {
        let network = match wanted {
            Existing::Id(id) => id.clone(),
            Existing::Name(_) => self.existing_network(wanted).await?.id,
        };
        let mut found = self
            .neutron
            .list_subnets(&[("network_id", &network)])
            .await
            .doing("list subnets of", &network)?;
        found.retain(|s| s.network_id == network && matches!(s.cidr, IpNet::V6(_)) == v6);
        let family = if v6 { "IPv6 subnet of network" } else { "IPv4 subnet of network" };
        let advice = "pass --subnet to have one made, or check the network's id";
        let absent = || Error::NotFound { what: family, resource: wanted.text().to_owned(), advice };
        only(family, wanted.text(), found, |s| format!("{} ({})", s.id, s.cidr), absent)
    }
}

/// The one that fits, or advice.
pub(crate) fn only<T>(
    what: &'static str,
    resource: &str,
    found: Vec<T>,
    shown: impl Fn(&T) -> String,
    absent: impl FnOnce() -> Error,
) -> Result<T> {
    let choices = found.iter().map(shown).collect::<Vec<_>>().join(", ");
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(absent()),
        _ => Err(Error::Ambiguous { what, resource: resource.to_owned(), choices }),
    }
}
