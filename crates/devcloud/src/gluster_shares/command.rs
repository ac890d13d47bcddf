//! `gluster`, the command that talks to a `glusterd`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::datapath::{DataPathError, Result};

/// How long one command may take; it waits for bricks to start and end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What it says when there is nothing (more) to stop or delete.
const DONE: [&str; 2] = ["does not exist", "is not in the started state"];

#[derive(Debug)]
pub(super) struct Gluster {
    socket: String,
}

impl Gluster {
    pub(super) fn new(socket: &Path) -> Self {
        Self { socket: format!("--glusterd-sock={}", socket.display()) }
    }

    /// Runs it without questions to its end.
    pub(super) async fn run(&self, args: &[&str]) -> Result<()> {
        let failed = |reason: String| DataPathError(format!("gluster {}: {reason}", args.join(" ")));
        let ended = Command::new("gluster")
            .args(["--mode=script", &self.socket])
            .args(args)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, ended)
            .await
            .map_err(|_| failed(format!("it did not end within {} s", PATIENCE.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        // It complains on either.
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        Err(failed(said.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// As [`Self::run`]; what is done already is done.
    pub(super) async fn run_unless_done(&self, args: &[&str]) -> Result<()> {
        match self.run(args).await {
            Err(error) if DONE.iter().any(|said| error.0.contains(said)) => Ok(()),
            other => other,
        }
    }
}
