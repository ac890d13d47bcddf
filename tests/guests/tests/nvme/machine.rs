//! The machine of all cases.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lab::vm::{Enclosure, Engine, Guest, GuestOptions, GuestProcess};
use private_host::HostProcess;

use crate::cinder::LOG;

/// Everything is several times slower than elsewhere, and more so on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// In MiB: Cinder, the engine and its containers.
const MEMORY: u32 = 2048;
/// Where Keystone is, seen from both sides.
const IDENTITY: &str = "127.0.0.1:5000";
const PORT: u16 = 5000;
/// How long all cases may take.
const LIMIT: Duration = Duration::from_secs(1200);

/// An emulated guest, and the host it is in. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) plugin: Option<GuestProcess>,
    pub(crate) engine: Option<GuestProcess>,
    pub(crate) cinder: Option<GuestProcess>,
    pub(crate) guest: Guest,
    /// Keystone, for the product's sake: the development cloud's.
    _identity: HostProcess,
    host: Enclosure,
}

impl Machine {
    pub(crate) fn start() -> Result<Self> {
        let kuryr = std::env::var_os("KURYR_TEST_BINARY").map(PathBuf::from);
        let kuryr = kuryr.context("KURYR_TEST_BINARY is not set; run `cargo xtask lab vm test nvme`")?;
        let host = Enclosure::start(None)?;
        // A directory that holds the plugin and nothing else.
        let share = host.dir().join("programs");
        fs::create_dir(&share).context("create a directory for programs")?;
        fs::copy(&kuryr, share.join("kuryr")).with_context(|| format!("copy {}", kuryr.display()))?;
        let place = host.place()?;
        let (program, dir) = (share.join("kuryr"), host.dir().join("identity"));
        let (program, dir) = (program.to_string_lossy(), dir.to_string_lossy());
        let identity = ["devcloud", "--listen", IDENTITY, "--no-data-path", "--dir", &dir];
        let identity = place.spawn(&program, &identity, &host.dir().join("identity.log"))?;
        let options = GuestOptions {
            engine: Engine::Emulated,
            memory: MEMORY,
            limit: LIMIT,
            share: Some(share),
            ports: vec![PORT],
            ..GuestOptions::new("nvme")
        };
        let guest = Guest::start(&place, options)?;
        let made = Self { plugin: None, engine: None, cinder: None, guest, _identity: identity, host };
        made.ready()?;
        Ok(made)
    }

    /// What every boot is followed by: volumes and target.
    pub(crate) fn ready(&self) -> Result<()> {
        self.guest.must(&["/usr/sbin/lab-nvme"]).map(drop)
    }

    /// Where a program of it logs.
    pub(crate) fn log_file(&self, program: &str) -> PathBuf {
        self.host.dir().join(format!("{program}.log"))
    }

    /// Waits until something is so, and says what did not become so.
    pub(crate) fn becomes(&self, what: &str, look: impl Fn(&Guest) -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !look(&self.guest)? {
            if Instant::now() > end {
                bail!("not within {} s: {what}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(())
    }

    /// Controllers of this host's NVMe that lead to somewhere else.
    pub(crate) fn controllers(&self) -> Result<Vec<String>> {
        let listed = self.guest.must(&["ls", "/sys/class/nvme"])?;
        Ok(listed.split_whitespace().map(str::to_owned).collect())
    }

    /// Fails unless the host comes to have no NVMe controller, and the target nothing that it gives out.
    pub(crate) fn expect_nothing_held(&self) -> Result<()> {
        self.becomes("no NVMe controller is left", |_| Ok(self.controllers()?.is_empty()))?;
        let given = self.guest.must(&["ls", "/sys/kernel/config/nvmet/subsystems"])?;
        ensure!(given.is_empty(), "the target still gives out: {given}");
        let mounted = self.guest.must(&["cat", "/proc/mounts"])?;
        ensure!(!mounted.contains("/dev/nvme"), "still mounted:\n{mounted}");
        Ok(())
    }

    /// What its programs logged last, and its console.
    pub(crate) fn logs(&self) -> String {
        let mut all = String::new();
        let mut add = |what: &str, text: &str| {
            let lines: Vec<&str> = text.lines().rev().take(60).collect();
            all.push_str(&format!("--- {what} ---\n"));
            lines.into_iter().rev().for_each(|line| all.push_str(&format!("{line}\n")));
        };
        for program in ["identity", "cinder", "dockerd", "kuryr"] {
            add(program, &fs::read_to_string(self.log_file(program)).unwrap_or_default());
        }
        add("cinder's own log", &self.guest.must(&["tail", "-n60", LOG]).unwrap_or_default());
        add("console", &self.guest.console());
        all
    }
}
