//! `cargo xtask lint`.

use anyhow::Result;

use crate::exec::{Cargo, program, say, target_dir};

/// Formatting, clippy, documentation, dependency policy.
pub(crate) fn run() -> Result<()> {
    Cargo::new("fmt").args(["--all", "--check"]).run()?;
    Cargo::new("clippy")
        .args(["--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"])
        .run()?;
    Cargo::new("doc")
        .args(["--locked", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "--deny warnings")
        .run()?;
    dependencies()
}

/// cargo-deny is installed into the target directory, so that a machine's own tools stay as they are.
fn dependencies() -> Result<()> {
    let tools = target_dir().join("tools");
    let deny = tools.join("bin/cargo-deny");
    if !deny.exists() {
        say("Missing cargo-deny, to be built now (once, some minutes)");
        Cargo::new("install")
            // It runs for seconds; to optimise it takes minutes.
            .args(["--locked", "--debug", "--version", "^0.20", "cargo-deny", "--root"])
            .args([&tools])
            .run()?;
    }
    program(&deny).args(["--locked", "check", "bans", "licenses", "sources"]).run()?;
    let advisories = program(&deny).args(["--locked", "check", "advisories"]).output();
    if let Err(error) = advisories {
        let text = format!("{error:#}");
        if text.contains("failed to fetch advisory database") {
            say("SKIPPED advisories: their database cannot be reached from here");
            return Ok(());
        }
        return Err(error);
    }
    Ok(())
}
