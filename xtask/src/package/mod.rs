//! `cargo xtask package`: what an administrator installs.

mod deb;
mod oci;
pub(crate) mod plugin;
mod static_binary;
mod tree;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;

pub(crate) use self::deb::Deb;
use crate::exec::{Cargo, say, target_dir};

/// What to make; it is put into `target/package`.
#[derive(Debug, Subcommand)]
pub(crate) enum Package {
    /// A Debian package for this machine's release and later ones.
    Deb(Deb),
    /// One file without any library, for x86-64 of any distribution.
    Static,
    /// An image with that file, as a directory in OCI's image layout.
    Oci(oci::Oci),
    /// Docker's managed plugins, as directories for `docker plugin create`; see `docs/plugins.md`.
    Plugin {
        /// Only these; without it all: `kuryr` has networks, `fuxi` volumes, `openstack` both.
        #[arg(value_enum)]
        which: Vec<plugin::Kind>,
        /// Not optimised: built sooner, for tests.
        #[arg(long)]
        debug: bool,
    },
}

impl Package {
    pub(crate) fn run(self) -> Result<()> {
        let made = match self {
            Self::Deb(deb) => deb.make()?,
            Self::Static => static_binary::make()?,
            Self::Oci(oci) => oci.make()?,
            Self::Plugin { which, debug } => {
                for directory in plugin::package(&which, debug)? {
                    say(&format!("Made {}", directory.display()));
                }
                return Ok(());
            }
        };
        say(&format!("Made {}", made.display()));
        Ok(())
    }
}

/// Where packages are put.
fn directory() -> Result<PathBuf> {
    let dir = target_dir().join("package");
    std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    Ok(dir)
}

/// Of this workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The command as it is given to others: optimised across crates, for `target` or for this machine.
fn kuryr(target: Option<&str>) -> Result<PathBuf> {
    let build = Cargo::new("build").args(["--locked", "--profile", "dist", "--bin", "kuryr"]);
    match target {
        None => {
            build.run()?;
            Ok(target_dir().join("dist/kuryr"))
        }
        Some(target) => {
            build.args(["--target", target]).run()?;
            Ok(target_dir().join(target).join("dist/kuryr"))
        }
    }
}

/// The time that files in packages bear, in seconds since 1970: that of the last commit, so that one commit makes one
/// package.
fn epoch() -> Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.parse().context("SOURCE_DATE_EPOCH is no number of seconds");
    }
    let text = crate::exec::program("git").args(["log", "-1", "--format=%ct"]).output()?;
    text.trim().parse().context("git does not say when the last commit was")
}
