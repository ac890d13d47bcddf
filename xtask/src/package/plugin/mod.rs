//! Docker's managed plugins: a root filesystem and a description each.

mod description;
mod rootfs;
mod static_binary;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::exec::target_dir;

/// A plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Networks and addresses.
    Kuryr,
    /// Volumes.
    Fuxi,
    /// Both.
    Openstack,
}

impl Kind {
    /// The plugin's usual name, and its directory's.
    fn name(self) -> &'static str {
        match self {
            Self::Kuryr => "kuryr",
            Self::Fuxi => "fuxi",
            Self::Openstack => "openstack",
        }
    }

    fn has_networks(self) -> bool {
        self != Self::Fuxi
    }

    fn has_volumes(self) -> bool {
        self != Self::Kuryr
    }
}

/// Makes the plugins' directories anew and returns them.
pub(crate) fn package(which: &[Kind], debug: bool) -> Result<Vec<PathBuf>> {
    let which = if which.is_empty() { Kind::value_variants() } else { which };
    let binary = static_binary::build(debug)?;
    which.iter().map(|kind| lay(*kind, &binary)).collect()
}

fn lay(kind: Kind, binary: &std::path::Path) -> Result<PathBuf> {
    let directory = target_dir().join("plugin").join(kind.name());
    if directory.exists() {
        std::fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
    }
    let root = directory.join("rootfs");
    std::fs::create_dir_all(&root).with_context(|| format!("make {}", root.display()))?;
    rootfs::lay(kind, &root, binary)?;
    let text = serde_json::to_string_pretty(&description::of(kind))?;
    std::fs::write(directory.join("config.json"), text + "\n").context("write the plugin's description")?;
    Ok(directory)
}
