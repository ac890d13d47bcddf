//! A virtual function of a network card is one endpoint's at a time.

use tokio::sync::OwnedMutexGuard;

use crate::service::Inner;
use crate::state::Plug;
use crate::{Error, Result};

impl Inner {
    /// Refuses a virtual function another endpoint holds, or has still to give back. Keep what is returned until the
    /// plug is in the journal.
    pub(super) async fn own_device(
        &self,
        endpoint: &str,
        plug: &Plug,
    ) -> Result<Option<OwnedMutexGuard<()>>> {
        let Some(slot) = plug.slot() else { return Ok(None) };
        let turn = self.locks.lock("device", slot).await;
        let holds = |e: &crate::state::EndpointRow| {
            e.id != endpoint && e.plug.as_ref().and_then(Plug::slot) == Some(slot)
        };
        match self.endpoints.find(holds) {
            Some(other) => {
                let reason = format!(
                    "its virtual function {slot} is endpoint {}'s; give the port a pci_slot of its own",
                    other.id
                );
                Err(Error::Conflict { what: "port", resource: plug.port_id.clone(), reason })
            }
            None => Ok(Some(turn)),
        }
    }
}
