//! The endpoint's id on a port: for people and tools that look at Neutron. Nothing of ours depends on it, so where no
//! other change of the port is due it is written after Docker has its answer.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use openstack::network::PortUpdate;

use super::bind::renamed;
use crate::addresses::held;
use crate::error::CloudContext;
use crate::service::Inner;
use crate::state::{Phase, PortRow};
use crate::{Error, Result};

impl Inner {
    /// Begins to write it. Whoever gives up the port waits for that.
    pub(super) async fn record_later(self: &Arc<Self>, port: &PortRow) {
        let turn = self.locks.lock("record", &port.id).await;
        let (this, id) = (Arc::clone(self), port.id.clone());
        self.recording().insert(id.clone());
        tokio::spawn(async move {
            let written = this.write_endpoint(&id).await;
            drop(turn);
            if let Err(error) = this.note_recorded(&id, written).await {
                tracing::warn!(port = id, %error, "cannot write the endpoint's id to the port, trying again later");
            }
            this.recording().remove(&id);
        });
    }

    fn recording(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes it if that is still due: for the sweeper, which leaves what is under way alone.
    pub(crate) async fn record(&self, id: &str) -> Result<()> {
        if self.recording().contains(id) {
            return Ok(());
        }
        let turn = self.locks.lock("record", id).await;
        let written = self.write_endpoint(id).await;
        drop(turn);
        self.note_recorded(id, written).await
    }

    fn due(&self, id: &str) -> Option<PortRow> {
        self.ports.get(id).filter(|p| p.unrecorded && p.phase == Phase::Ready)
    }

    async fn write_endpoint(&self, id: &str) -> Result<()> {
        let Some(row) = self.due(id) else { return Ok(()) };
        let (Some(endpoint), Some(port)) = (&row.endpoint, &row.port) else { return Ok(()) };
        let update = PortUpdate {
            device_id: Some(endpoint.clone()),
            name: renamed(&row, port, endpoint),
            ..PortUpdate::default()
        };
        self.neutron.update_port(&port.id, &update, None).await.doing("update port", &port.id).map(drop)
    }

    async fn note_recorded(&self, id: &str, written: Result<()>) -> Result<()> {
        match written {
            Err(Error::Cloud { source, .. }) if source.is_not_found() => {
                tracing::warn!(port = id, "a container's port was deleted in Neutron");
            }
            other => other?,
        }
        let Some(row) = self.due(id) else { return Ok(()) };
        let Some(endpoint) = row.endpoint.clone() else { return Ok(()) };
        // Whoever changes the record of a port in use has one of these.
        let _turns =
            (self.locks.lock("address", &held(&row)).await, self.locks.lock("endpoint", &endpoint).await);
        if let Some(mut row) = self.due(id).filter(|row| row.endpoint.as_ref() == Some(&endpoint))
            && self.endpoints.get(&endpoint).is_some_and(|e| e.phase == Phase::Ready)
        {
            row.unrecorded = false;
            self.ports.put(id, &row)?;
        }
        Ok(())
    }
}
