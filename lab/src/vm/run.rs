//! `lab vm run`: a guest for a few commands.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use debian_root::say;
use private_host::{PrivateHost, Root, Settings};

use super::{Guest, GuestOptions, Kind, image, layout};

/// What names of the directories of running hosts start with.
const PREFIX: &str = "kuryr-lab-vm-";

/// How to run commands in a guest.
#[derive(Debug, Clone, clap::Args)]
pub struct RunOptions {
    /// What the guest is made for.
    #[arg(long, value_enum, default_value = "host")]
    pub kind: Kind,
    /// A directory that the guest sees at `/share`.
    #[arg(long)]
    pub share: Option<PathBuf>,
    /// The guest's memory in MiB.
    #[arg(long, default_value_t = 1024)]
    pub memory: u32,
    /// Seconds after which the guest is ended.
    #[arg(long, default_value_t = 300)]
    pub limit: u64,
    /// Commands for `bash`.
    pub commands: String,
}

/// Boots a fresh guest in a host of its own without a way out, runs the commands, and ends both; the exit status of the
/// commands.
///
/// # Errors
/// What did not get ready.
pub fn run(options: &RunOptions) -> Result<ExitCode> {
    image::image(options.kind)?;
    private_host::remove_leftovers(&layout::home(), PREFIX, |dir| {
        say(&format!("Removing {} of a guest that was killed", dir.display()));
    });
    let dir = layout::home().join(format!("{PREFIX}{}", std::process::id()));
    let share = options.share.as_deref().map(Path::canonicalize).transpose();
    let share = share.context("the directory to be shared")?;
    let outcome = inside(options, &dir, share);
    private_host::remove_directory(&dir).with_context(|| format!("remove {}", dir.display()))?;
    outcome
}

fn inside(options: &RunOptions, dir: &Path, share: Option<PathBuf>) -> Result<ExitCode> {
    let host = PrivateHost::start(&Settings {
        name: "vm".into(),
        dir: dir.to_owned(),
        root: Root::Tree(image::root()?),
        share: share.clone().into_iter().chain([dir.to_owned()]).collect(),
    })?;
    let limit = Duration::from_secs(options.limit);
    let guest = GuestOptions {
        kind: options.kind,
        memory: options.memory,
        limit,
        share,
        ..GuestOptions::new("guest")
    };
    let guest = Guest::start(&host.place(), guest)?;
    let command = ["bash", "-c", &options.commands];
    let status = guest.stream(&command, &[], limit, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
