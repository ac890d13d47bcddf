//! The Docker generations that the behaviour suite runs against.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::debian;

/// Where an engine comes from.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// This machine's package.
    Machine,
    /// Another Debian release's, in a root of its own.
    Root(PathBuf),
}

/// The engine meant by a word: `machine`, a Docker version or a Debian release.
pub(crate) fn engine(word: &str) -> Result<Engine> {
    Ok(match word {
        "machine" => Engine::Machine,
        "20.10" | "bookworm" => Engine::Root(debian::root("bookworm")?),
        "26.1" | "trixie" => Engine::Root(debian::root("trixie")?),
        // Debian's unstable release: its version moves, so it is not among those tested by default.
        "28.5" | "sid" => Engine::Root(debian::root("sid")?),
        other => bail!("no engine `{other}`; there are: machine, 20.10, 26.1, 28.5"),
    })
}
