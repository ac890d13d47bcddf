//! `cargo xtask package static`: the command in one file that needs no library.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{VERSION, directory, kuryr};
use crate::debian::{self, Package};
use crate::exec::{program, say};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// The compiler for the cryptography's C code.
const TOOLS: &[Package] = &[("musl-tools", "/usr/bin/musl-gcc"), ("binutils", "/usr/bin/readelf")];

pub(super) fn make() -> Result<PathBuf> {
    debian::install(TOOLS)?;
    // Does nothing if it is there.
    program("rustup").args(["target", "add", TARGET]).run()?;
    let binary = kuryr(Some(TARGET))?;
    let dynamic = program("readelf").args(["--program-headers", "--wide"]).arg(&binary).output()?;
    ensure!(!dynamic.contains("INTERP"), "{} needs a loader, it is not static", binary.display());
    let target = directory()?.join(format!("kuryr-{VERSION}-{TARGET}"));
    std::fs::copy(&binary, &target)?;
    let version = program(&target).arg("--version").output()?;
    say(version.trim());
    Ok(target)
}
