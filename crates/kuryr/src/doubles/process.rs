//! One run of the plugin against the world: it may die at any call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use openstack::{Error, Result};
use tokio::sync::Notify;

use super::cloud::{Cloud, fault};
use crate::table::Gate;

/// What happens at the n-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused with 500, no effect.
    Fail,
    /// Refused with that status, no effect.
    Status(u16),
    /// The connection breaks before the request has an effect; we cannot know that.
    Dropped,
    /// The process dies when the n-th change of the journal is on the disk.
    DieAfterWrite,
    /// Takes effect, the answer is lost.
    Lost,
    /// The process dies before the call leaves.
    DieBefore,
    /// The process dies when the call has taken effect.
    DieAfter,
    /// From here on nothing can be reached.
    Down,
    /// The answer is lost, and the effect comes when the test lets it.
    Late,
    /// Never answered, no effect.
    Hang,
    /// Something about every port changes just before.
    Stir,
    /// Somebody else takes the operator's ports just before.
    Meddle,
}

#[derive(Debug, Default)]
struct Plan {
    fault: Option<(usize, Fault)>,
    seen: usize,
    written: usize,
}

/// What outlives the process.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) cloud: Mutex<Cloud>,
    plan: Mutex<Plan>,
    calls: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn arm(&self, at: usize, fault: Fault) {
        *self.plan.lock().unwrap() = Plan { fault: Some((at, fault)), ..Plan::default() };
    }

    pub(crate) fn disarm(&self) {
        *self.plan.lock().unwrap() = Plan::default();
    }

    /// Calls of Neutron since the last time, leaving out those made once per process.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.retain(|c| c != "GET extensions" && !c.starts_with("host "));
        calls
    }

    /// Names of all calls since the last time, those of the host included.
    pub(crate) fn call_names(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Changes of the journal since a fault was last armed or disarmed.
    pub(crate) fn journal_changes(&self) -> usize {
        self.plan.lock().unwrap().written
    }

    pub(crate) fn all_calls(&self) -> usize {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        calls.len()
    }

    pub(crate) fn snapshot(&self) -> Cloud {
        self.cloud.lock().unwrap().snapshot()
    }
}

/// The seams as one process sees them.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    dead: AtomicBool,
    died: Notify,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: Arc::clone(world), dead: AtomicBool::new(false), died: Notify::new() })
    }

    /// Returns when the process is dead.
    pub(crate) async fn death(&self) {
        while !self.dead.load(Ordering::SeqCst) {
            self.died.notified().await;
        }
    }

    async fn die<T>(&self) -> T {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        std::future::pending().await
    }

    pub(crate) async fn call<T>(&self, name: &str, work: impl FnOnce(&mut Cloud) -> Result<T>) -> Result<T> {
        if self.dead.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        // A cloud is never so quick that nobody else gets a turn.
        tokio::task::yield_now().await;
        self.world.calls.lock().unwrap().push(name.to_owned());
        let now = {
            let mut plan = self.world.plan.lock().unwrap();
            plan.seen += 1;
            match plan.fault {
                Some((_, Fault::DieAfterWrite)) => None,
                Some((at, fault)) if at == plan.seen || (fault == Fault::Down && plan.seen > at) => {
                    Some(fault)
                }
                _ => None,
            }
        };
        let run = || work(&mut self.world.cloud.lock().unwrap());
        match now {
            None | Some(Fault::DieAfterWrite) => run(),
            Some(Fault::Status(status)) => fault(status, "", "made to fail"),
            Some(Fault::Dropped) => Err(Error::Unreachable {
                service: "network",
                operation: name.to_owned(),
                url: "http://cloud".to_owned(),
                reason: "connection reset".to_owned(),
                sent: true,
            }),
            Some(Fault::Fail) => fault(500, "", "made to fail"),
            Some(Fault::Late) => {
                Err(Error::Timeout { service: "network", operation: name.to_owned(), seconds: 1 })
            }
            Some(Fault::Stir) => {
                for port in self.world.cloud.lock().unwrap().ports.values_mut() {
                    port.revision_number += 1;
                }
                run()
            }
            Some(Fault::Meddle) => {
                for port in self.world.cloud.lock().unwrap().ports.values_mut().filter(|p| p.name == "theirs")
                {
                    port.device_id = "their-server".to_owned();
                    port.revision_number += 1;
                }
                run()
            }
            Some(Fault::Lost) => {
                run()?;
                Err(Error::Timeout { service: "network", operation: name.to_owned(), seconds: 1 })
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::DieBefore) => self.die().await,
            Some(Fault::DieAfter) => {
                let _ = run();
                self.die().await
            }
            Some(Fault::Down) => Err(Error::Unreachable {
                service: "network",
                operation: name.to_owned(),
                url: "http://cloud".to_owned(),
                reason: "refused".to_owned(),
                sent: false,
            }),
        }
    }
}

impl Gate for Process {
    fn may_write(&self) -> bool {
        !self.dead.load(Ordering::SeqCst)
    }

    fn wrote(&self) {
        let mut plan = self.world.plan.lock().unwrap();
        plan.written += 1;
        if plan.fault == Some((plan.written, Fault::DieAfterWrite)) {
            self.dead.store(true, Ordering::SeqCst);
            self.died.notify_one();
        }
    }
}
