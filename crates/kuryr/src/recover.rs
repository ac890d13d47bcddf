//! Putting right what a crash or an unreachable cloud left half done. Only what the journal names is touched.

use std::sync::Arc;
use std::time::Duration;

use crate::pools::PENDING;
use crate::service::{Inner, Service};
use crate::state::{Phase, PoolRow, now};
use crate::{Error, Result};

/// Pause between two rounds of the background sweeper; twice as long after each round that left something undone.
const SWEEP_FIRST: Duration = Duration::from_secs(5);
/// The longest pause: a cloud that is away is not asked more often.
const SWEEP_LAST: Duration = Duration::from_secs(40);
/// A pool without network is dropped after this time, in milliseconds.
const POOL_AGE: u64 = 10 * 60 * 1000;
/// A reservation without endpoint is given up after this time: Docker creates the endpoint within seconds, and
/// repeats a request whose answer was lost for 30 s; in milliseconds.
const RESERVATION_AGE: u64 = 2 * 60 * 1000;
/// A network whose pools Docker has released is removed after this time: its creation failed for Docker, or the
/// removal did not reach us; in milliseconds.
const RELEASED_AGE: u64 = 60 * 1000;

/// What a previous process left unfinished.
#[derive(Debug, Default)]
pub(crate) struct Stale {
    endpoints: Vec<String>,
    ports: Vec<String>,
    groups: Vec<String>,
    networks: Vec<String>,
    reservations: Vec<String>,
}

impl Stale {
    /// Taken when the journal is opened, so that what is begun afterwards is not mistaken for it.
    pub(crate) fn of(s: &Inner) -> Self {
        let orphan = |key: &str| {
            key.starts_with(PENDING) && s.pools.find(|p| p.pending.as_deref() == Some(key)).is_none()
        };
        Self {
            endpoints: s.endpoints.all(|e| e.phase != Phase::Ready).into_iter().map(|e| e.id).collect(),
            ports: s.ports.all(|p| p.phase != Phase::Ready).into_iter().map(|p| p.id).collect(),
            groups: s.groups.all(|_| true).into_iter().map(|g| g.id).collect(),
            reservations: s.reservations.all(|_| true).into_iter().map(|r| r.id).collect(),
            networks: s
                .networks
                .all(|n| n.phase != Phase::Ready || orphan(&n.id))
                .into_iter()
                .map(|n| n.id)
                .collect(),
        }
    }

    fn add_doomed(&mut self, s: &Inner) {
        let doomed = s.endpoints.all(|e| e.phase == Phase::Deleting);
        self.endpoints.extend(doomed.into_iter().map(|e| e.id));
        self.ports.extend(s.ports.all(|p| p.phase == Phase::Deleting).into_iter().map(|p| p.id));
        self.groups.extend(s.groups.all(|g| g.phase != Phase::Creating).into_iter().map(|g| g.id));
        self.networks.extend(s.networks.all(|n| n.phase == Phase::Deleting).into_iter().map(|n| n.id));
        for list in [&mut self.endpoints, &mut self.ports, &mut self.groups, &mut self.networks] {
            list.sort();
            list.dedup();
        }
    }

    /// Takes in what another round did not finish.
    pub(crate) fn merge(&mut self, other: Self) {
        self.endpoints.extend(other.endpoints);
        self.ports.extend(other.ports);
        self.groups.extend(other.groups);
        self.networks.extend(other.networks);
        self.reservations.extend(other.reservations);
    }

    /// Drops what is in the journal no more.
    fn forget_finished(&mut self, s: &Inner) {
        self.endpoints.retain(|id| s.endpoints.get(id).is_some());
        self.ports.retain(|id| s.ports.get(id).is_some());
        self.groups.retain(|id| s.groups.get(id).is_some());
        self.networks.retain(|id| s.networks.get(id).is_some());
        self.reservations.retain(|id| s.reservations.get(id).is_some());
    }
}

/// Reservations made before this are old.
fn old() -> u64 {
    now().saturating_sub(RESERVATION_AGE)
}

impl Service {
    /// Finishes or undoes what a previous process left half done and starts the background sweeper that retries
    /// what cannot be done now (cloud unreachable). May run while requests are served.
    ///
    /// # Errors
    /// [`Error::Journal`]; anything else is logged and tried again.
    pub async fn recover(&self) -> Result<()> {
        if self.inner.sweeper.set(()).is_ok() {
            let weak = Arc::downgrade(&self.inner);
            tokio::spawn(async move {
                if let Some(inner) = weak.upgrade() {
                    // Now, so that the first container does not wait for it.
                    inner.has_extension(crate::ports::TAGGED_BULK).await;
                }
                let mut pause = SWEEP_FIRST;
                loop {
                    tokio::time::sleep(pause).await;
                    let Some(inner) = weak.upgrade() else { return };
                    if let Err(error) = inner.sweep().await {
                        tracing::error!(%error, "the sweeper cannot write the journal");
                    }
                    pause = if inner.has_doomed() { SWEEP_LAST.min(pause * 2) } else { SWEEP_FIRST };
                }
            });
        }
        self.keep_spares();
        self.inner.sweep().await
    }
}

impl Inner {
    /// Whether something is left to be removed.
    fn has_doomed(&self) -> bool {
        let mut doomed = Stale::default();
        doomed.add_doomed(self);
        let reservations = self.reservations.find(|r| r.phase == Phase::Deleting).is_some();
        reservations
            || !(doomed.endpoints.is_empty() && doomed.ports.is_empty() && doomed.networks.is_empty())
    }

    /// One round over everything doomed, stale or forgotten by Docker.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let mut stale = self.take_stale();
        stale.add_doomed(self);
        let outcome = self.sweep_all(&mut stale).await;
        // What failed is still in the journal; what a previous process began is still only in this list.
        stale.forget_finished(self);
        self.return_stale(stale);
        outcome
    }

    async fn sweep_all(&self, stale: &mut Stale) -> Result<()> {
        for id in &stale.endpoints {
            self.logged("endpoint", id, self.sweep_endpoint(id).await)?;
        }
        self.sweep_unjoined().await?;
        let forgotten = self
            .ports
            .all(|p| p.phase == Phase::Ready && p.endpoint.is_none() && !p.spare && p.created < old());
        stale.ports.extend(forgotten.into_iter().map(|p| p.id));
        for id in &stale.ports {
            self.logged("port", id, self.sweep_port(id).await)?;
        }
        for port in self.ports.all(|p| p.unrecorded && p.phase == Phase::Ready && p.endpoint.is_some()) {
            self.logged("port", &port.id, self.record(&port.id).await)?;
        }
        for id in &stale.groups {
            self.logged("security group", id, self.release_group(id).await)?;
        }
        for id in &stale.networks {
            self.logged("network", id, self.sweep_network(id).await)?;
        }
        self.sweep_reservations(&stale.reservations).await?;
        self.sweep_unallocated().await?;
        self.sweep_released().await?;
        let old = now().saturating_sub(POOL_AGE);
        let unused = |p: &PoolRow| p.network.is_none() && (p.created < old || p.released.is_some());
        for pool in self.pools.all(unused) {
            let _turn = self.locks.lock("pool", &pool.id).await;
            if let Some(pool) = self.pools.get(&pool.id).filter(unused) {
                let id = pool.id.clone();
                self.logged("pool", &id, self.drop_pool(pool).await)?;
            }
        }
        Ok(())
    }

    async fn sweep_endpoint(&self, id: &str) -> Result<()> {
        let _turn = self.locks.lock("endpoint", id).await;
        match self.endpoints.get(id) {
            // The same id may be in use again.
            Some(row) if row.phase != Phase::Ready => self.undo_endpoint(row).await,
            _ => Ok(()),
        }
    }

    async fn sweep_port(&self, id: &str) -> Result<()> {
        let Some(row) = self.ports.get(id) else { return Ok(()) };
        let held = row.address.map(|a| format!("{} {}", row.pool.as_deref().unwrap_or_default(), a.addr()));
        let _turn = match &held {
            Some(held) => Some(self.locks.lock("address", held).await),
            None => None,
        };
        match self.ports.get(id) {
            Some(row)
                if row.endpoint.is_none()
                    && (row.phase != Phase::Ready || !row.spare && row.created < old()) =>
            {
                self.dismantle_port(row).await
            }
            _ => Ok(()),
        }
    }

    async fn sweep_network(&self, id: &str) -> Result<()> {
        let _turn = self.locks.lock("network", id).await;
        match self.networks.get(id) {
            Some(row) if row.phase != Phase::Ready || id.starts_with(PENDING) => {
                self.empty_network(row).await
            }
            _ => Ok(()),
        }
    }

    async fn sweep_released(&self) -> Result<()> {
        let old = now().saturating_sub(RELEASED_AGE);
        for network in
            self.networks.all(|n| n.phase == Phase::Ready && !n.id.starts_with(PENDING) && !n.taken)
        {
            let pools = self.pools.all(|p| p.network.as_ref() == Some(&network.id));
            let released = !pools.is_empty() && pools.iter().all(|p| p.released.is_some_and(|at| at < old));
            if released && self.endpoints.find(|e| e.network == network.id).is_none() {
                self.logged("network", &network.id, self.delete_network(&network.id).await)?;
            }
        }
        Ok(())
    }

    pub(crate) fn logged(&self, what: &'static str, id: &str, outcome: Result<()>) -> Result<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Error::Journal(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(what, id, %error, "cannot put right now, trying again later");
                Ok(())
            }
        }
    }
}
