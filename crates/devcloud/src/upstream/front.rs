//! Starting and stopping the front.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Upstream, Upstreams};
use crate::admin::{self, Behind, Control};
use crate::error::Result;
use crate::front::Front;
use crate::listener::{self, GRACE};

/// How to start a front.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The services behind it.
    pub upstreams: Vec<Upstream>,
    /// Added to each answer.
    pub latency: Duration,
}

/// A front before services that run somewhere else.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamFront;

/// A started front. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RunningFront {
    /// For `auth_url`: ends in `/identity`.
    pub auth_url: String,
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
    control: Arc<Control>,
    tasks: TaskTracker,
}

impl UpstreamFront {
    /// Listens. The services need not be there yet: `/admin/ready` tells when they are. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: UpstreamOptions) -> Result<RunningFront> {
        let (listener, addr) = listener::bind(options.listen).await?;
        let upstreams = Arc::new(Upstreams::new(options.upstreams));
        let control = Arc::new(Control::new(options.latency, Behind::Upstreams(Arc::clone(&upstreams))));
        let front = Front {
            control: Arc::clone(&control),
            services: upstreams.router(),
            admin: admin::router(Arc::clone(&control)),
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(listener::accept(listener, front, stop.clone(), tasks.clone()));
        Ok(RunningFront { auth_url: format!("http://{addr}/identity"), addr, stop, control, tasks })
    }
}

impl RunningFront {
    /// Stops listening and lets answers under way finish.
    pub async fn stop(self) {
        self.stop.cancel();
        self.control.holds.release_all();
        self.tasks.close();
        drop(tokio::time::timeout(GRACE + GRACE, self.tasks.wait()).await);
    }
}

impl Drop for RunningFront {
    fn drop(&mut self) {
        self.stop.cancel();
        self.control.holds.release_all();
    }
}
