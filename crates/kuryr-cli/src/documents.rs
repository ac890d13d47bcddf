//! `kuryr documents`: manual pages and completions of this very command line, for packages.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::{Arguments, DocumentsArguments};
use crate::error::Error;

/// A shell and the name its completions have where it looks for them.
const COMPLETIONS: [(Shell, &str); 3] =
    [(Shell::Bash, "kuryr.bash"), (Shell::Zsh, "_kuryr"), (Shell::Fish, "kuryr.fish")];

pub(crate) fn run(args: &DocumentsArguments) -> Result<(), Error> {
    write(&args.dir).map_err(|source| Error::Io { action: "write into", what: args.dir.clone(), source })
}

fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Arguments::command().disable_help_subcommand(true), dir)?;
    for (shell, name) in COMPLETIONS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "kuryr", &mut text);
        fs::write(dir.join(name), text)?;
    }
    Ok(())
}
