//! The program without any library of its host: linked with musl.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian;
use crate::exec::{Cargo, program, say, target_dir};

/// This machine's architecture with musl.
fn triple() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// Builds it; where it is.
pub(super) fn build(debug: bool) -> Result<PathBuf> {
    debian::install(debian::PACKAGING)?;
    install_target()?;
    let (profile, directory) = if debug { ("dev", "debug") } else { ("dist", "dist") };
    let triple = triple();
    Cargo::new("build")
        .args(["--locked", "--bin", "kuryr", "--target", &triple, "--profile", profile])
        // The parts that are written in C.
        .env(&format!("CC_{}", triple.replace('-', "_")), "musl-gcc")
        .run()?;
    let binary = target_dir().join(&triple).join(directory).join("kuryr");
    needs_nothing(&binary)?;
    let stripped = binary.with_extension("stripped");
    program("strip").args(["--strip-debug", "-o"]).arg(&stripped).arg(&binary).run()?;
    Ok(stripped)
}

/// The standard library for it, which rustup has.
fn install_target() -> Result<()> {
    let triple = triple();
    let root = program("rustc").args(["--print", "sysroot"]).output().context("ask rustc where it is")?;
    if Path::new(root.trim()).join("lib/rustlib").join(&triple).exists() {
        return Ok(());
    }
    say(&format!("Missing Rust's standard library for {triple}, to be installed now"));
    program("rustup")
        .args(["target", "add", &triple])
        .run()
        .with_context(|| format!("install Rust's standard library for {triple} for this toolchain yourself"))
}

/// An interpreter in the program would be looked for in a root filesystem that has none.
fn needs_nothing(binary: &Path) -> Result<()> {
    let headers = program("readelf").args(["--program-headers", "--wide"]).arg(binary).output()?;
    if headers.contains("INTERP") {
        bail!("{} needs its host's libraries", binary.display());
    }
    Ok(())
}
