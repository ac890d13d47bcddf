//! Which cases there are, and what guest each wants. The programs are built by `cargo xtask lab vm test connectors`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use lab::vm::Engine;

/// Test programs with what their guests run on: User-Mode Linux has no NVMe over TCP, and NFS is tested on the kernel that
/// Debian's machines have.
pub(crate) const PROGRAMS: [(&str, Engine); 3] =
    [("iscsi_guest", Engine::UserMode), ("nfs_export", Engine::Emulated), ("nvme_target", Engine::Emulated)];

/// A test of one of the programs.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Name of the program's file.
    pub(crate) program: &'static str,
    /// The test's name in it.
    pub(crate) test: String,
    /// What its guest runs on.
    pub(crate) engine: Engine,
}

impl Case {
    /// As the case is reported and filtered.
    pub(crate) fn title(&self) -> String {
        let guest = match self.engine {
            Engine::UserMode => "user_mode",
            Engine::Emulated => "emulated",
        };
        format!("{guest}::{}::{}", self.program, self.test)
    }
}

/// Where the programs are.
pub(crate) fn directory() -> Result<PathBuf> {
    std::env::var_os("KURYR_TEST_CONNECTORS")
        .map(PathBuf::from)
        .context("KURYR_TEST_CONNECTORS is not set; run `cargo xtask lab vm test connectors`")
}

/// Every test that its program ignores by default.
///
/// # Errors
/// When a program is missing or has none, or one is there of which it is not known what guest it wants.
pub(crate) fn cases() -> Result<Vec<Case>> {
    let dir = directory()?;
    let mut all = Vec::new();
    for (program, engine) in PROGRAMS {
        let tests = ignored(&dir.join(program))?;
        ensure!(!tests.is_empty(), "`{program}` has no test for a guest");
        all.extend(tests.into_iter().map(|test| Case { program, test, engine }));
    }
    let known: BTreeSet<&str> = PROGRAMS.iter().map(|(program, _)| *program).collect();
    for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !known.contains(&*name) && !ignored(&path)?.is_empty() {
            bail!("`{name}` has ignored tests, but nothing says in which guest they are run");
        }
    }
    Ok(all)
}

fn ignored(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program).args(["--list", "--ignored", "--format", "terse"]).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{} does not list its tests", program.display());
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}
