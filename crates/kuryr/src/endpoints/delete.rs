//! The end of an endpoint: its links go, its port stays with the address until that is released.

use crate::service::Inner;
use crate::state::{EndpointRow, Phase};
use crate::{Result, names};

impl Inner {
    pub(crate) async fn delete_endpoint(&self, id: &str) -> Result<()> {
        if !names::is_docker_id(id) {
            return Ok(());
        }
        let _turn = self.locks.lock("endpoint", id).await;
        match self.endpoints.get(id) {
            Some(row) => self.undo_endpoint(row).await,
            None => Ok(()),
        }
    }

    /// Unplugs and forgets; the caller holds the endpoint's lock.
    pub(crate) async fn undo_endpoint(&self, row: EndpointRow) -> Result<()> {
        let mut row = self.read_endpoint_again(row).await?;
        let whole = row.phase == Phase::Ready;
        if row.phase != Phase::Deleting {
            row.phase = Phase::Deleting;
            self.endpoints.put(&row.id, &row)?;
        }
        let carrier = self.ports.get(&row.port);
        // A port that was kept for the next container may be that one's by now.
        let passed_on = carrier.as_ref().is_some_and(|p| p.attached && p.endpoint.as_ref() != Some(&row.id));
        // Still in the trunk for the next container.
        let stays = whole && carrier.as_ref().is_some_and(|port| self.stays_attached(port));
        if let Some(plug) = row.plug.as_ref().filter(|_| !passed_on) {
            self.binding().teardown(plug, stays).await?;
        }
        for mut port in self.ports.all(|p| p.endpoint.as_ref() == Some(&row.id)) {
            if port.pool.is_none() {
                // Of a foreign IPAM driver, which will not tell us to release it.
                self.dismantle_port(port).await?;
            } else {
                port.endpoint = None;
                port.attached &= stays;
                self.ports.put(&port.id, &port)?;
            }
        }
        Ok(self.endpoints.remove(&row.id)?)
    }
}
