//! What a host sees as its file system.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the host's programs come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// This machine's own file system, with private `/proc`, `/sys` and `/run`.
    Machine,
    /// An unpacked Debian root, never written to: changes go to the host's directory.
    Tree(PathBuf),
    /// Such a root with changes laid over it, each in a directory that was the upper one of an overlay; the top one
    /// first, the unpacked root last.
    Layers(Vec<PathBuf>),
}

impl Root {
    /// The directories that an overlay is mounted over, joined as the kernel takes them; `None`: no overlay.
    pub(crate) fn lower(&self) -> Option<String> {
        let join = |paths: &[PathBuf]| {
            paths.iter().map(|p| p.to_string_lossy().into_owned()).collect::<Vec<_>>().join(":")
        };
        match self {
            Self::Machine => None,
            Self::Tree(tree) => Some(join(std::slice::from_ref(tree))),
            Self::Layers(layers) => Some(join(layers)),
        }
    }
}

/// How to make a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Host name.
    pub name: String,
    /// A directory of its own, on a file system that can carry overlays (not itself an overlay).
    pub dir: PathBuf,
    /// Its file system.
    pub root: Root,
    /// Directories of this machine that appear inside at the same path.
    pub share: Vec<PathBuf>,
}
