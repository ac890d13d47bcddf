//! Endpoints Docker cannot know any more: it joins an endpoint within seconds of having it made, and when it dies in
//! between, nobody will ever ask to delete it. One whose link a container has is never taken for such.

use crate::Result;
use crate::error::LinkContext;
use crate::service::Inner;
use crate::state::{EndpointRow, Phase, now};

/// An endpoint no container has joined is given up when its port is older than this, in milliseconds.
const UNJOINED_AGE: u64 = 10 * 60 * 1000;

impl Inner {
    /// Endpoints that have been made and never joined, or left and never deleted. Usually none, and then this costs
    /// nothing.
    pub(crate) async fn sweep_unjoined(&self) -> Result<()> {
        for endpoint in self.endpoints.all(|e| self.is_forgotten(e)) {
            let outcome = self.forget_endpoint(&endpoint.id).await;
            self.logged("endpoint", &endpoint.id, outcome)?;
        }
        Ok(())
    }

    fn is_forgotten(&self, endpoint: &EndpointRow) -> bool {
        let old = now().saturating_sub(UNJOINED_AGE);
        endpoint.phase == Phase::Ready
            && !endpoint.joined
            && self.ports.get(&endpoint.port).is_none_or(|port| port.created < old)
    }

    async fn forget_endpoint(&self, id: &str) -> Result<()> {
        let _turn = self.locks.lock("endpoint", id).await;
        let Some(row) = self.endpoints.get(id).filter(|e| self.is_forgotten(e)) else { return Ok(()) };
        if let Some(plug) = &row.plug {
            let here = async |link: &str| self.host.links.link_exists(link).await.on_link("look up", link);
            // A link that stands on another one is seen by nobody while a container has it.
            let away = !here(&plug.container).await?;
            if away && (plug.is_sub_link() || here(&plug.host).await?) {
                return Ok(());
            }
        }
        self.undo_endpoint(row).await
    }
}
