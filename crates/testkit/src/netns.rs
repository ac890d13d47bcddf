//! Running a piece of test code in another network namespace.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs `f` on a thread of its own inside the network namespace at `path`; sockets it makes stay there.
///
/// # Errors
/// When the namespace cannot be entered, or what `f` returns.
pub fn in_netns<T: Send>(path: &Path, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let ns = File::open(path).with_context(|| format!("open the namespace {}", path.display()))?;
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                move_into_link_name_space(ns.as_fd(), Some(LinkNameSpaceType::Network))
                    .with_context(|| format!("enter the namespace {}", path.display()))?;
                f()
            })
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the code in the namespace panicked")))
    })
}
