//! A long-running process inside a host.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Result};

/// A process inside a host, addressed by its pid outside. Dropping it ends it at once.
#[derive(Debug)]
pub struct HostProcess {
    entry: Child,
    pid: Option<Pid>,
}

impl HostProcess {
    /// `through_entry`: the command is an entry that forks into a pid namespace; its child is the process meant.
    pub(crate) fn spawn(mut command: Command, through_entry: bool, log: &Path) -> Result<Self> {
        let open =
            || OpenOptions::new().create(true).append(true).open(log).map_err(|e| Error::io("open", log, e));
        let mut entry = command
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            // Its own group: an interrupt typed at the terminal is for the owner, who then stops it in order.
            .process_group(0)
            .spawn()
            .map_err(|e| Error::io("start", command.get_program(), e))?;
        let pid = if through_entry {
            child_of(&mut entry)
        } else {
            i32::try_from(entry.id()).ok().and_then(Pid::from_raw)
        };
        Ok(Self { entry, pid })
    }

    /// Pid outside the host.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid.and_then(|p| u32::try_from(p.as_raw_nonzero().get()).ok())
    }

    /// Sends a signal; a process that is gone needs none.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, signal);
        }
        if signal == Signal::CONT {
            self.wake_entry();
        }
    }

    /// `nsenter` stops itself when its child is stopped, and as long as it is, it does not see that its child goes on or
    /// has ended.
    fn wake_entry(&self) {
        if let Some(entry) = i32::try_from(self.entry.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(entry, Signal::CONT);
        }
    }

    /// Ends it at once, as a crash would, and waits until it is gone.
    pub fn kill(self) {
        drop(self);
    }

    /// Asks it to end and waits; after the deadline it is ended at once. Returns its status if it ended by itself.
    pub fn stop(mut self, deadline: Duration) -> Option<ExitStatus> {
        if self.is_running() {
            self.signal(Signal::TERM);
        }
        self.wait(deadline)
    }

    /// Waits until it has ended, at most that long.
    pub fn wait(&mut self, deadline: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Ok(Some(status)) = self.entry.try_wait() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.entry.try_wait(), Ok(None))
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        // One that has ended is not signalled: its pid may be somebody else's by now.
        if self.is_running() {
            self.signal(Signal::KILL);
            if self.pid.is_none() {
                let _ = self.entry.kill();
            }
            while self.is_running() {
                self.wake_entry();
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

/// `nsenter` forks into the pid namespace; its only child is the process meant.
fn child_of(entry: &mut Child) -> Option<Pid> {
    let children = format!("/proc/{0}/task/{0}/children", entry.id());
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end && matches!(entry.try_wait(), Ok(None)) {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        if let Some(pid) = text.split_whitespace().next().and_then(|p| p.parse().ok()).and_then(Pid::from_raw)
        {
            return Some(pid);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}
