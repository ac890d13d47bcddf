//! A guest in which cases run one after the other.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use guests::{expect_lines, held_storage};
use lab::vm::{Enclosure, Engine, Guest, GuestOptions, Kind};

use crate::programs::{Case, PROGRAMS, directory};

/// In MiB.
const MEMORY: u32 = 1024;
/// How long a guest may run, and one case.
const LIMIT: Duration = Duration::from_secs(1200);
const CASE: Duration = Duration::from_secs(300);
/// What a program says at its end when it has run one test, and that did not fail.
const PASSED: &str = "test result: ok. 1 passed; 0 failed; 0 ignored;";

/// The guest, and the host it is in, which end in this order.
#[derive(Debug)]
pub(crate) struct Stage {
    guest: Guest,
    _host: Enclosure,
    engine: Engine,
}

impl Stage {
    /// Boots a guest as the case wants it.
    pub(crate) fn set(case: &Case) -> Result<Self> {
        let host = Enclosure::start(None)?;
        // A directory that holds the programs and nothing else, and that guests can be shown.
        let (share, from) = (host.dir().join("programs"), directory()?);
        fs::create_dir(&share).context("create a directory for programs")?;
        for (program, _) in PROGRAMS {
            fs::copy(from.join(program), share.join(program)).with_context(|| format!("copy {program}"))?;
        }
        let options = GuestOptions {
            engine: case.engine,
            // Targets are there, too.
            kind: Kind::Storage,
            memory: MEMORY,
            limit: LIMIT,
            share: Some(share),
            ..GuestOptions::new("connectors")
        };
        let guest = Guest::start(&host.place()?, options)?;
        Ok(Self { guest, _host: host, engine: case.engine })
    }

    /// Whether the case can run in it.
    pub(crate) fn is_for(&self, case: &Case) -> bool {
        self.engine == case.engine
    }

    /// Runs a case, which must leave nothing.
    pub(crate) fn play(&self, case: &Case) -> Result<()> {
        let held = held_storage(&self.guest)?;
        let program = format!("/share/{}", case.program);
        let command = [&program, "--exact", &case.test, "--ignored", "--nocapture", "--test-threads=1"];
        let output = self.guest.run_with(&command, &[], CASE)?;
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // One that does not know the test succeeds, too.
        ensure!(
            output.status.success() && said.contains(PASSED),
            "it ended with {}\n{said}\n{errors}",
            output.status
        );
        expect_lines(&held, || held_storage(&self.guest))
    }

    /// The end of what its kernel said.
    pub(crate) fn console(&self) -> String {
        format!("--- console ---\n{}\n---", self.guest.console())
    }
}
