//! Ports that are in this virtual machine's trunk before a container needs them, so that its start waits for no call of
//! Neutron: made together in the background, taken by a container's address, and kept when it ends.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use openstack::MacAddr;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::CloudContext;
use crate::ports::{Place, TAGGED_BULK, Wish};
use crate::service::{Inner, Service};
use crate::state::{NetworkRow, Phase, PoolRow, PortRow, SubnetRow, now};
use crate::{Error, Result};

/// Pause between two looks at the pools when nobody asks.
const LOOK: Duration = Duration::from_secs(30);
/// Pause after a failure: a quota, or a Neutron that is away, is not asked again at once.
const AGAIN: Duration = Duration::from_secs(60);
/// Pause between two comparisons with the trunk, which others may change.
const COMPARE: Duration = Duration::from_secs(180);

/// What the pools' keeper knows.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    low: Notify,
    /// Nothing is made before.
    not_before: Mutex<Option<Instant>>,
    /// Which container takes which is decided by one at a time.
    taking: Mutex<()>,
    /// When they were last compared with the trunk.
    compared: Mutex<Option<Instant>>,
    /// The keeper runs.
    kept: OnceLock<()>,
}

#[cfg(test)]
impl Spares {
    pub(crate) fn forgive_pause(&self) {
        *lock(&self.not_before) = None;
    }

    pub(crate) fn look_again(&self) {
        *lock(&self.compared) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Keeps the pools filled in the background, if there are to be any.
    pub(crate) fn keep_spares(&self) {
        let inner = &self.inner;
        // Also where there are to be none any more, as long as some are left.
        if inner.guest.mode().is_none() || inner.spares.kept.set(()).is_err() {
            return;
        }
        let weak = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                let Some(inner) = weak.upgrade() else { return };
                if let Err(error) = inner.fill_pools().await {
                    tracing::warn!(%error, "cannot keep subports ready now, trying again later");
                    *lock(&inner.spares.not_before) = Some(Instant::now() + AGAIN);
                }
                let _ = tokio::time::timeout(LOOK, inner.spares.low.notified()).await;
            }
        });
    }
}

impl Inner {
    pub(crate) fn most_spares(&self) -> usize {
        self.guest.settings.as_ref().map_or(0, |settings| settings.spares.max)
    }

    fn least_spares(&self) -> usize {
        self.guest.settings.as_ref().map_or(0, |settings| settings.spares.min)
    }

    /// Has the keeper look at the pools.
    pub(crate) fn pool_is_low(&self) {
        self.spares.low.notify_one();
    }

    fn spares_of(&self, network: &str) -> Vec<PortRow> {
        self.ports.all(|p| p.spare && p.network == network && p.phase == Phase::Ready)
    }

    /// A port that is ready for a container which asks for no certain address or MAC.
    pub(crate) fn take_spare(&self, wish: &Wish<'_>) -> Result<Option<PortRow>> {
        let (None, None, Some(pool)) = (wish.mac, wish.address, wish.pool) else { return Ok(None) };
        let _one = lock(&self.spares.taking);
        let fits = |p: &PortRow| {
            p.spare && p.endpoint.is_none() && p.phase == Phase::Ready && p.pool.as_ref() == Some(&pool.id)
        };
        match self.ports.find(fits) {
            Some(row) => self.put_to_use(row, wish.label.clone()).map(Some),
            None => Ok(None),
        }
    }

    /// A reservation for the container that asks for its address; `None`: it is being given up.
    pub(crate) fn use_spare(&self, id: &str, label: Option<String>) -> Result<Option<PortRow>> {
        let _one = lock(&self.spares.taking);
        match self.ports.get(id).filter(|row| row.phase == Phase::Ready) {
            Some(row) if row.spare => self.put_to_use(row, label).map(Some),
            other => Ok(other),
        }
    }

    fn put_to_use(&self, row: PortRow, label: Option<String>) -> Result<PortRow> {
        let row = PortRow { spare: false, label, created: now(), ..row };
        self.ports.put(&row.id, &row)?;
        if self.spares_of(&row.network).len() < self.least_spares() {
            self.pool_is_low();
        }
        Ok(row)
    }

    /// Whether the port of an endpoint that ends remains in the trunk.
    pub(crate) fn stays_attached(&self, row: &PortRow) -> bool {
        let pristine =
            row.originals.is_none() && row.merged_into.is_none() && row.groups.is_empty() && !row.worn;
        let alone = self.ports.find(|p| p.merged_into.as_ref() == Some(&row.id)).is_none();
        row.attached
            && pristine
            && alone
            && row.port.is_some()
            && self.spares_of(&row.network).len() < self.most_spares()
            && self.networks.get(&row.network).is_some_and(|n| n.phase == Phase::Ready)
            && row.pool.as_ref().and_then(|id| self.pools.get(id)).is_some_and(|p| p.released.is_none())
    }

    /// Whether a port that nobody needs is kept for the next container.
    pub(crate) fn keeps_ready(&self, row: &PortRow) -> bool {
        !row.spare && row.endpoint.is_none() && self.stays_attached(row)
    }

    /// Takes a port out of the trunk whose MAC is to change: Neutron changes none that is bound.
    pub(crate) async fn release_for_mac(&self, row: &mut PortRow, mac: Option<MacAddr>) -> Result<()> {
        let other = mac.is_some() && row.port.as_ref().is_some_and(|port| Some(port.mac_address) != mac);
        let (true, true, Some(trunk), Some(port)) = (other, row.attached, &row.trunk, &row.port) else {
            return Ok(());
        };
        self.guest.trunks.detach(trunk, &port.id).await?;
        let port = self.neutron.get_port(&port.id).await.doing("get port", &port.id)?;
        row.attached = false;
        row.worn = true;
        row.port = Some(port);
        Ok(self.ports.put(&row.id, row)?)
    }

    /// Detaches a port that was made ready in a trunk this machine does not have any more.
    pub(crate) async fn leave_old_trunk(&self, row: &mut PortRow, trunk: Option<&str>) -> Result<()> {
        let (true, Some(old), Some(port)) = (row.attached, &row.trunk, &row.port) else { return Ok(()) };
        if trunk == Some(old) {
            return Ok(());
        }
        self.guest.trunks.detach(old, &port.id).await?;
        row.attached = false;
        Ok(self.ports.put(&row.id, row)?)
    }

    /// Looks after the pools of all networks: one that cannot be filled keeps no other from it.
    pub(crate) async fn fill_pools(&self) -> Result<()> {
        let any = self.ports.find(|p| p.spare && p.phase == Phase::Ready).is_some();
        if self.most_spares() == 0 && !any {
            return Ok(());
        }
        let due = lock(&self.spares.compared).is_none_or(|at| at.elapsed() > COMPARE);
        if due && any {
            self.compare_with_trunk().await?;
        }
        if due {
            *lock(&self.spares.compared) = Some(Instant::now());
        }
        self.shrink_pools().await?;
        if lock(&self.spares.not_before).is_some_and(|until| until > Instant::now()) {
            return Ok(());
        }
        let mut failed = None;
        for network in self.networks.all(|n| n.phase == Phase::Ready) {
            let filled = self.guest.doubt(self.fill_pool(&network.id).await).await;
            failed = failed.or(filled.err());
        }
        failed.map_or(Ok(()), Err)
    }

    /// What the trunk does not have any more, or another trunk has, is given up.
    async fn compare_with_trunk(&self) -> Result<()> {
        let trunk = self.guest.trunk().await?;
        let members = match &trunk {
            Some(trunk) => self.guest.trunks.members(trunk).await?,
            None => None,
        };
        if trunk.is_some() && members.is_none() {
            self.guest.forget().await;
        }
        let lost = |p: &PortRow| {
            let member = p
                .port
                .as_ref()
                .is_some_and(|port| members.as_ref().is_some_and(|m| m.contains_key(&port.id)));
            p.spare && p.phase == Phase::Ready && !(member && p.trunk == trunk)
        };
        self.give_up(self.ports.all(lost)).await
    }

    /// What is above the high mark, which may have been lowered, or is of another mode, is given up.
    async fn shrink_pools(&self) -> Result<()> {
        let most = self.most_spares();
        for network in self.networks.all(|n| n.phase == Phase::Ready) {
            let spares = self.spares_of(&network.id);
            let surplus = spares.len().saturating_sub(most);
            self.give_up(spares.into_iter().take(surplus).collect()).await?;
        }
        Ok(())
    }

    /// Removes spares that no container has taken meanwhile.
    async fn give_up(&self, spares: Vec<PortRow>) -> Result<()> {
        for row in spares {
            let Some(row) = self.withdraw(&row.id)? else { continue };
            let id = row.id.clone();
            self.logged("port", &id, self.dismantle_port(row).await)?;
        }
        Ok(())
    }

    /// Takes a spare away from containers; `None`: one has it.
    fn withdraw(&self, id: &str) -> Result<Option<PortRow>> {
        let _one = lock(&self.spares.taking);
        let Some(row) = self.ports.get(id).filter(|p| p.spare && p.phase == Phase::Ready) else {
            return Ok(None);
        };
        let row = PortRow { phase: Phase::Deleting, worn: true, ..row };
        self.ports.put(&row.id, &row)?;
        Ok(Some(row))
    }

    async fn fill_pool(&self, network: &str) -> Result<()> {
        let _turn = self.locks.lock("spares", network).await;
        let Some(network) = self.networks.get(network).filter(|n| n.phase == Phase::Ready) else {
            return Ok(());
        };
        let Some((subnet, pool)) = self.of_one_family(&network) else { return Ok(()) };
        let there = self.spares_of(&network.id).len();
        if there >= self.least_spares() {
            return Ok(());
        }
        let wish = Wish {
            network: &network,
            subnet: &subnet,
            pool: Some(&pool),
            address: None,
            mac: None,
            label: None,
            device: None,
            others: Vec::new(),
        };
        self.make_spares(&wish, self.most_spares().saturating_sub(there)).await
    }

    /// The subnet new spares are on. With both families two requests ask for one port and nothing tells which belong
    /// together; and addresses that follow from a MAC have one already.
    fn of_one_family(&self, network: &NetworkRow) -> Option<(SubnetRow, PoolRow)> {
        let [subnet] = network.subnets.as_slice() else { return None };
        let pool = self.pools.get(subnet.pool.as_ref()?)?;
        // A range that waits for its Docker network is nobody's yet.
        let in_use = pool.released.is_none() && pool.network.as_ref() == Some(&network.id);
        (in_use && !subnet.derives_addresses()).then(|| (subnet.clone(), pool))
    }

    /// Makes ports in one request and puts them into the trunk in another.
    async fn make_spares(&self, wish: &Wish<'_>, count: usize) -> Result<()> {
        let place = Place::of(wish.network, wish.subnet)?;
        let trunk = self.guest.trunk().await?;
        let tagged = self.has_extension(TAGGED_BULK).await;
        let mut rows = Vec::new();
        for _ in 0..count {
            let row = PortRow { trunk: trunk.clone(), spare: true, ..wish.row(&place)? };
            self.ports.put(&row.id, &row)?;
            rows.push(row);
        }
        let new: Vec<_> = rows.iter().map(|row| self.port_to_make(row, wish, &place, tagged)).collect();
        let made = self.neutron.create_ports(&new).await.doing("create ports on subnet", &place.subnet);
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                for row in rows {
                    self.abandon_port(row, &error).await;
                }
                return Err(error);
            }
        };
        let mut failed = None;
        let mut joining = tokio::task::JoinSet::new();
        for mut row in rows {
            let description = self.marks.port_description(&row.id);
            let port = made.iter().find(|port| port.description == description).cloned();
            let known = match port {
                Some(port) => self.take_new(&mut row, wish, &place, port),
                None => Err(Error::Conflict {
                    what: "subnet",
                    resource: place.subnet.clone(),
                    reason: "Neutron answered without one of the ports; they are made again".to_owned(),
                }),
            };
            row.attached = true;
            if let Err(error) = known.and_then(|()| Ok(self.ports.put(&row.id, &row)?)) {
                self.abandon_port(row, &error).await;
                failed = Some(error);
                continue;
            }
            let id = row.port.as_ref().map(|port| port.id.clone()).unwrap_or_default();
            let (trunks, trunk) = (self.guest.trunks.clone(), trunk.clone().unwrap_or_default());
            joining.spawn(async move { (row, trunks.attach(&trunk, &id).await) });
        }
        while let Some(joined) = joining.join_next().await {
            // One that broke off is in the journal, unfinished.
            let Ok((mut row, outcome)) = joined else { continue };
            let outcome = outcome.and_then(|_| {
                row.phase = Phase::Ready;
                Ok(self.ports.put(&row.id, &row)?)
            });
            if let Err(error) = outcome {
                self.abandon_port(row, &error).await;
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Takes what is kept ready on a network out of the trunk together, before it is removed one by one.
    pub(crate) async fn empty_pool(&self, network: &str) -> Result<()> {
        let _turn = self.locks.lock("spares", network).await;
        let mut leaving = tokio::task::JoinSet::new();
        for row in self.spares_of(network) {
            let Some(row) = self.withdraw(&row.id)? else { continue };
            let (Some(trunk), Some(port)) = (row.trunk.clone(), row.port.clone()) else { continue };
            let trunks = self.guest.trunks.clone();
            leaving.spawn(async move { (row, trunks.detach(&trunk, &port.id).await) });
        }
        let mut failed = None;
        while let Some(left) = leaving.join_next().await {
            match left {
                Ok((mut row, Ok(()))) => {
                    row.attached = false;
                    self.ports.put(&row.id, &row)?;
                }
                Ok((_, Err(error))) => failed = Some(error),
                Err(_) => {}
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
