//! Somebody else's subnet pools a range is to come from: checked before anything is made.

use ipnet::IpNet;
use openstack::network::{Subnet, SubnetPool};

use crate::options::{Existing, Options};
use crate::service::Inner;
use crate::{Error, Result};

impl Inner {
    /// The pool the user named.
    ///
    /// # Errors
    /// It is not there, ambiguous, or not `shared` as asserted.
    pub(super) async fn pool_for(
        &self,
        wanted: &Existing,
        v6: bool,
        options: &Options,
    ) -> Result<SubnetPool> {
        let pool = self.existing_pool(wanted, v6).await?;
        match options.shared {
            Some(shared) if shared != pool.shared => {
                let reason = format!("its `shared` is {}; correct neutron.net.shared", pool.shared);
                Err(Error::Conflict { what: "subnet pool", resource: pool.id, reason })
            }
            _ => Ok(pool),
        }
    }
}

/// Refuses a range the pool does not hold.
pub(crate) fn refuse_outside(pool: &SubnetPool, range: IpNet) -> Result<()> {
    if pool.prefixes.iter().any(|prefix| prefix.contains(&range)) {
        return Ok(());
    }
    let has = pool.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let reason = format!("it holds {has}, not {range}; choose --subnet from it or drop the option");
    Err(Error::Conflict { what: "subnet pool", resource: pool.id.clone(), reason })
}

/// Refuses an existing subnet that was cut from another pool.
pub(super) fn refuse_other_pool(pool: &SubnetPool, subnet: &Subnet) -> Result<()> {
    match &subnet.subnetpool_id {
        Some(other) if *other != pool.id => {
            let reason = format!("it is of subnet pool {other}, not {}; correct neutron.pool.uuid", pool.id);
            Err(Error::Conflict { what: "subnet", resource: subnet.id.clone(), reason })
        }
        Some(_) => Ok(()),
        None => refuse_outside(pool, subnet.cidr.trunc()),
    }
}
