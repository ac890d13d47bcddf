//! One process of ours. When it is killed its runtime is dropped, and with it each future where it stands.

use std::sync::Arc;
use std::time::Duration;

use crate::share::ShareSettings;
use crate::testing::{World, settings, share_settings};
use crate::{Provider, Service, Settings};

/// Beyond this something hangs: a run takes milliseconds. No outcome depends on the clock, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Process {
    runtime: tokio::runtime::Runtime,
    world: Arc<World>,
    pub(super) service: Service,
}

impl Process {
    /// A new one on what is durable; the plan of faults goes on.
    pub(super) fn start(world: &Arc<World>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let plan = world.state().plan;
        let settings = Settings {
            shows_after: Duration::ZERO,
            answer_within: PATIENCE,
            cloud_patience: PATIENCE,
            server_patience: PATIENCE,
            ..settings()
        };
        let own = ShareSettings { access_patience: PATIENCE, ..share_settings() };
        let service = world
            .service_with(settings)
            .with_shares(&Provider::ALL, own, &world.journal, world.clone(), world.clone())
            .unwrap();
        world.state().plan = plan;
        Self { runtime, world: world.clone(), service }
    }

    /// What `work` comes to, or `None` if the process was killed.
    pub(super) fn run<T>(&self, work: impl AsyncFnOnce(&Service) -> T) -> Option<T> {
        let result = self.runtime.block_on(async {
            tokio::select! {
                result = tokio::time::timeout(PATIENCE, work(&self.service)) => Some(result.expect("it hangs")),
                () = self.world.death.notified() => None,
            }
        });
        result.filter(|_| !self.world.state().is_dead())
    }

    /// Nothing of it is left but what is durable.
    pub(super) fn end(self) {
        drop(self.runtime);
        // Who died without being seen must not be taken for the death of the next one.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.world.death.notified() => {}
                () = std::future::ready(()) => {}
            }
        });
    }
}
