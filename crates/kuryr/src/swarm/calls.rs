//! What only a swarm's manager asks. Its allocator makes one request after the other for the whole cluster, so these are
//! answered soon, if only with an error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;

use super::Place;
use crate::api::{AddressKind, AddressRequest, AllocationRequest};
use crate::service::Service;
use crate::{Error, Result};

impl Service {
    /// Ties a swarm network to its subnet and gives it Swarm's name. The answer holds all options for the nodes.
    ///
    /// # Errors
    /// Bad options, an IPv6 range or several, a subnet that another swarm network has, Neutron fails.
    pub async fn allocate_network(&self, request: AllocationRequest) -> Result<BTreeMap<String, String>> {
        let name = request.id.clone();
        self.run("allocate network", name, |s| async move { s.allocate_network(request).await }).await
    }

    /// Gives a swarm network up: what was made for it goes with the last port on it. Unknown ones are free.
    ///
    /// # Errors
    /// Neutron fails or the journal; what was begun is tried again in the background.
    pub async fn free_network(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.run("free network", id.clone(), |s| async move { s.free_network(&id).await }).await
    }

    /// An address for a manager. One that comes when nobody waits for it any more is given up again.
    pub(crate) async fn request_managers_address(
        &self,
        place: Place,
        request: AddressRequest,
    ) -> Result<IpNet> {
        let deadline = self.inner.settings.manager_deadline;
        let resource = request.address.map_or_else(|| place.range.to_string(), |a| a.to_string());
        let late = {
            let resource = resource.clone();
            move || Error::Deadline { operation: "request address", resource, seconds: deadline.as_secs() }
        };
        // Set by whoever is first: the answer, or the end of patience.
        let decided = Arc::new(AtomicBool::new(false));
        let inner = Arc::clone(&self.inner);
        let work = {
            let (decided, late) = (Arc::clone(&decided), late.clone());
            async move {
                let got = inner.request_global_address(&place, &request).await?;
                if !decided.swap(true, Ordering::SeqCst) {
                    return Ok(got);
                }
                // One that was named may be an earlier request's.
                if request.kind == AddressKind::Container && request.address.is_none() {
                    inner.release_global_address(&place, got.addr()).await?;
                }
                Err(late())
            }
        };
        let mut task = tokio::spawn(work);
        let done = match tokio::time::timeout(deadline, &mut task).await {
            Ok(done) => done,
            Err(_) if decided.swap(true, Ordering::SeqCst) => task.await,
            Err(_) => return Err(late()),
        };
        done.unwrap_or_else(|died| {
            Err(Error::Broken { operation: "request address", resource, reason: died.to_string() })
        })
    }
}
