//! One transaction of nftables: all of it or none of it.

use std::process::Stdio;
use std::time::Duration;

use os::netns::{NetNs, run_in};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::datapath::{DataPathError, Result};

/// A transaction takes milliseconds; a minute-long one is a hang.
const DEADLINE: Duration = Duration::from_secs(20);

/// Applies a script in the namespace, atomically.
pub(super) async fn apply(netns: &NetNs, script: &str) -> Result<()> {
    let failed = |cause: String| {
        DataPathError(format!("cannot change the packet filter with nft: {cause}; check that nftables works"))
    };
    let runtime = tokio::runtime::Handle::current();
    // Started by a thread inside the namespace, hence a process inside the namespace.
    let mut child = run_in(netns, move || {
        let _context = runtime.enter();
        Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    })
    .and_then(|spawned| spawned)
    .map_err(|error| failed(error.to_string()))?;
    let input = child.stdin.take();
    let run = async {
        if let Some(mut input) = input {
            // A refusal may close the pipe early; the exit status tells more than this error would.
            let _ = input.write_all(script.as_bytes()).await;
            drop(input);
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(DEADLINE, run)
        .await
        .map_err(|_| failed(format!("no answer within {} s", DEADLINE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    tracing::debug!(%text, script, "nft refused");
    Err(failed(text.lines().next().unwrap_or("refused without a word").trim().to_owned()))
}
