//! `lab vm run`: a guest for a few commands.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Enclosure, Engine, Guest, GuestOptions, Kind, emulated, image};

/// How to run commands in a guest.
#[derive(Debug, Clone, clap::Args)]
pub struct RunOptions {
    /// Debian's own kernel on an emulated processor, which is slower.
    #[arg(long, conflicts_with = "kind")]
    pub emulated: bool,
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
    let engine = if options.emulated { Engine::Emulated } else { Engine::UserMode };
    match engine {
        Engine::UserMode => drop(image::image(options.kind)?),
        Engine::Emulated => emulated::image()?,
    }
    let share = options.share.as_deref().map(Path::canonicalize).transpose();
    let share = share.context("the directory to be shared")?;
    let host = Enclosure::start(share.as_deref())?;
    let limit = Duration::from_secs(options.limit);
    let guest = GuestOptions {
        engine,
        kind: options.kind,
        memory: options.memory,
        limit,
        share,
        ..GuestOptions::new("guest")
    };
    let guest = Guest::start(&host.place()?, guest)?;
    let command = ["bash", "-c", &options.commands];
    let status = guest.stream(&command, &[], limit, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
