//! What is still to be done after a fault: undone, given up, or forgotten by everybody.

use super::Role;
use crate::Result;
use crate::service::Inner;
use crate::state::{Phase, now};

/// A network made for a range is given up when nobody allocated it for this time, in milliseconds: the engine does so
/// within seconds.
const UNALLOCATED_AGE: u64 = 10 * 60 * 1000;

impl Inner {
    /// Finishes reservations: those a previous process began, and those that could not be given up.
    pub(crate) async fn sweep_reservations(&self, begun: &[String]) -> Result<()> {
        let doomed = self.reservations.all(|r| r.phase == Phase::Deleting || begun.contains(&r.id));
        for row in doomed {
            self.logged("reservation", &row.id, self.sweep_reservation(&row.id).await)?;
        }
        Ok(())
    }

    /// Gives up what was made for a swarm network that never came.
    pub(crate) async fn sweep_unallocated(&self) -> Result<()> {
        let old = now().saturating_sub(UNALLOCATED_AGE);
        let stale = |n: &crate::state::NetworkRow| {
            n.role == Role::Manager && n.phase == Phase::Ready && n.created < old
        };
        for row in self.networks.all(stale) {
            let id = row.id.clone();
            self.logged("network", &id, self.give_up_unallocated(row).await)?;
        }
        Ok(())
    }

    async fn give_up_unallocated(&self, mut row: crate::state::NetworkRow) -> Result<()> {
        use crate::error::CloudContext;
        let range = row.subnets.first().and_then(|s| s.cidr);
        let _turn = match range {
            Some(range) => Some(self.locks.lock("global pool", &range.to_string()).await),
            None => None,
        };
        if self.networks.get(&row.id).is_none() {
            return Ok(());
        }
        let subnet = row.subnets.first().and_then(|s| s.id.clone()).unwrap_or_default();
        let found = match self.neutron.get_subnet(&subnet).await {
            Err(error) if error.is_not_found() => None,
            other => Some(other.doing("get subnet", &subnet)?),
        };
        // Another manager may have allocated it.
        if found.is_some_and(|subnet| super::users(&subnet).next().is_some()) {
            return Ok(self.networks.remove(&row.id)?);
        }
        row.phase = Phase::Deleting;
        self.networks.put(&row.id, &row)?;
        self.dismantle_network(row).await
    }
}
