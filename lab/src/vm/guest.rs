//! A guest: a kernel of its own, run from the image, with a disk of its own.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use os::netns::NetNs;
use private_host::{HostProcess, Place};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::agent::{AGENT, Settings};
use super::channel::{Call, Channel, GuestProcess};
use super::management::{Management, must};
use super::nic::Nic;
use super::protocol::Request;
use super::{Engine, Kind, kernel};
use crate::layer::remove;

/// How long a command may take, unless said otherwise.
const COMMAND: Duration = Duration::from_secs(120);

/// How to make a guest.
#[derive(Debug)]
pub struct GuestOptions {
    /// What it runs on.
    pub engine: Engine,
    /// What it is made for; an emulated one is always made for NVMe over TCP.
    pub kind: Kind,
    /// Its name: that of its host, and of its directory.
    pub name: String,
    /// Its memory in MiB.
    pub memory: u32,
    /// How long it may run at most, from each boot.
    pub limit: Duration,
    /// A directory that it sees at `/share`; it must be visible in the place at that path.
    pub share: Option<PathBuf>,
    /// Its cards `eth0`, `eth1`, ...
    pub nics: Vec<Nic>,
    /// Ports of its loopback address that lead to those of the place.
    pub ports: Vec<u16>,
}

impl GuestOptions {
    /// A guest of 1 GiB for at most 10 minutes, with no card but that of its management.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            engine: Engine::UserMode,
            kind: Kind::Host,
            name: name.to_owned(),
            memory: 1024,
            limit: Duration::from_secs(600),
            share: None,
            nics: Vec::new(),
            ports: Vec::new(),
        }
    }
}

/// A guest. Dropping it ends it and removes all that was made for it. It also ends, in order, when its owner is gone.
#[derive(Debug)]
pub struct Guest {
    place: Place,
    dir: PathBuf,
    options: GuestOptions,
    management: Management,
    netns: NetNs,
    running: Option<Running>,
}

/// One boot of a guest.
#[derive(Debug)]
struct Running {
    kernel: HostProcess,
    channel: Channel,
    /// While it is held, the guest runs.
    leash: Option<Call>,
}

impl Guest {
    /// Makes a guest in a place, whose directory it uses, boots it, and waits until it takes commands. The program that
    /// calls this has called [`super::intercept`] first.
    ///
    /// # Errors
    /// When there is no image, or the guest does not get ready; with the end of its console.
    pub fn start(place: &Place, options: GuestOptions) -> Result<Self> {
        let pid = place.init().unwrap_or_else(std::process::id);
        let netns = NetNs::of_pid(pid).context("open the place's network namespace")?;
        let dir = place.dir().join(format!("guest-{}", options.name));
        fs::create_dir(&dir).with_context(|| format!("create {}", dir.display()))?;
        let management = Management::open(place, &netns, &options.ports);
        let management = management.inspect_err(|_| drop(remove(&dir)))?;
        let settings = Settings {
            address: management.guest(),
            gateway: management.owner(),
            ports: options.ports.clone(),
        };
        let mut guest = Self { place: place.clone(), dir, options, management, netns, running: None };
        guest.options.engine.prepare(guest.options.kind, &guest.dir)?;
        bring(&std::env::current_exe().context("find this program")?, &guest.dir.join("program"))?;
        fs::write(guest.dir.join(Settings::FILE), serde_json::to_vec(&settings)?)
            .context("write the agent's settings")?;
        guest.boot()?;
        Ok(guest)
    }

    /// Boots it from its disk, unless it runs, and waits until it takes commands.
    ///
    /// # Errors
    /// With the end of its console.
    pub fn boot(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        self.await_disk()?;
        let console = self.dir.join("console.log");
        let taps = self.options.nics.iter().map(|nic| (nic.tap(), nic.options().mac.as_str()));
        self.make_changes()?;
        let command = self.options.engine.command(&kernel::Machine {
            dir: &self.dir,
            name: &self.options.name,
            memory: self.options.memory,
            limit: self.options.limit,
            share: self.options.share.as_deref(),
            management: (&self.management.tap(), self.management.guest()),
            cards: taps.collect(),
            agent: AGENT,
        })?;
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut kernel = self.place.spawn("env", &command, &console)?;
        let alive = Arc::new(AtomicBool::new(true));
        let channel = Channel { netns: self.netns.clone(), address: self.management.guest(), alive };
        let end = Instant::now() + self.options.engine.patience();
        let leash = loop {
            let begun = channel.call(&Request::Leash, &[]).and_then(|mut call| {
                call.next(Instant::now() + Duration::from_secs(2))?;
                Ok(call)
            });
            match begun {
                Ok(call) => break call,
                Err(_) if kernel.is_running() && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => {
                    bail!("guest {} does not get ready: {error:#}\n{}", self.name(), self.console())
                }
            }
        };
        self.running = Some(Running { kernel, channel, leash: Some(leash) });
        self.configure()
    }

    /// The file for what it changes on its disk, if its kernel does not make it.
    fn make_changes(&self) -> Result<()> {
        if self.dir.join(kernel::CHANGES).exists() {
            return Ok(());
        }
        let Some(command) = self.options.engine.make_changes(&self.dir) else { return Ok(()) };
        let words = ["env"].into_iter().chain(command.iter().map(String::as_str));
        must(&self.place, &words.collect::<Vec<_>>()).map(drop)
    }

    /// The cards as they are meant to be.
    fn configure(&self) -> Result<()> {
        for (number, nic) in self.options.nics.iter().enumerate() {
            let (card, mtu) = (format!("eth{number}"), nic.options().mtu.to_string());
            self.must(&["ip", "link", "set", &card, "mtu", &mtu, "up"])?;
            for address in &nic.options().addresses {
                self.must(&["ip", "address", "add", address, "dev", &card])?;
            }
        }
        Ok(())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Its directory on the machine, which it sees at `/lab`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its cards.
    #[must_use]
    pub fn nics(&self) -> &[Nic] {
        &self.options.nics
    }

    /// The end of what its kernel and its first process said.
    #[must_use]
    pub fn console(&self) -> String {
        let text = fs::read(self.dir.join("console.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).replace('\r', "");
        let lines: Vec<&str> = text.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Runs a command in it, for at most two minutes.
    ///
    /// # Errors
    /// When it cannot be started, takes too long, or the guest ends.
    pub fn run(&self, command: &[&str]) -> Result<Output> {
        self.run_with(command, &[], COMMAND)
    }

    /// Runs a command in it with that input, for at most that long.
    ///
    /// # Errors
    /// When it cannot be started, takes too long, or the guest ends.
    pub fn run_with(&self, command: &[&str], input: &[u8], limit: Duration) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let status = self.stream(command, input, limit, &mut stdout, &mut stderr)?;
        Ok(Output { status, stdout, stderr })
    }

    /// Runs a command in it, for at most that long, and passes on what it says when it says it.
    ///
    /// # Errors
    /// When it cannot be started, takes too long, or the guest ends.
    pub fn stream(
        &self,
        command: &[&str],
        input: &[u8],
        limit: Duration,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> Result<ExitStatus> {
        let mut run = || -> Result<ExitStatus> {
            let words = command.iter().map(|&word| word.to_owned()).collect();
            let call = self.channel()?.call(&Request::Run { command: words, input: input.len() }, input)?;
            call.finish(Instant::now() + limit, out, err)
        };
        run().with_context(|| format!("`{}` in guest {}", command.join(" "), self.name()))
    }

    /// Runs a command in it, which must succeed; what it prints, trimmed.
    ///
    /// # Errors
    /// With what it prints on standard error.
    pub fn must(&self, command: &[&str]) -> Result<String> {
        let output = self.run(command)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`{}` in guest {}: {} {}",
            command.join(" "),
            self.name(),
            output.status,
            said.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts a long-running command in it, its output appended to a file of the machine.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &[&str], log: &Path) -> Result<GuestProcess> {
        GuestProcess::start(self.channel()?, command, log)
            .with_context(|| format!("start `{}` in guest {}", command.join(" "), self.name()))
    }

    /// Writes a file in it, and the directories above it.
    ///
    /// # Errors
    /// What the guest answers.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        if let Some((dir, _)) = path.rsplit_once('/') {
            self.must(&["mkdir", "--parents", dir])?;
        }
        let output = self.run_with(&["tee", path], text.as_bytes(), COMMAND)?;
        ensure!(output.status.success(), "write {path}: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Ends it in order and boots it again.
    ///
    /// # Errors
    /// When it does not end, or not get ready.
    pub fn reboot(&mut self) -> Result<()> {
        self.shut_down()?;
        self.boot()
    }

    /// Ends it in order: its filesystem is written out. [`Guest::boot`] starts it again.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn shut_down(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        drop(running.leash.take());
        let ended = running.kernel.wait(self.options.engine.patience()).is_some();
        running.channel.alive.store(false, Ordering::Relaxed);
        ensure!(ended, "guest {} did not end:\n{}", self.name(), self.console());
        Ok(())
    }

    /// Ends it as a power failure would. [`Guest::boot`] starts it again.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.channel.alive.store(false, Ordering::Relaxed);
            running.kernel.kill();
        }
    }

    fn channel(&self) -> Result<&Channel> {
        self.running
            .as_ref()
            .map(|r| &r.channel)
            .with_context(|| format!("guest {} does not run", self.name()))
    }

    /// The kernel of the boot before locks its disk until it is quite gone.
    fn await_disk(&self) -> Result<()> {
        let path = self.dir.join(kernel::CHANGES);
        let Ok(file) = File::options().read(true).write(true).open(&path) else { return Ok(()) };
        let end = Instant::now() + self.options.engine.patience();
        while let Err(error) = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            if Instant::now() > end {
                return Err(io::Error::from(error)).context("the guest's disk is in use");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
        let _ = self.await_disk();
        self.options.nics.clear();
        let _ = remove(&self.dir);
    }
}

/// Shows a file at another path of the same filesystem, or copies it.
pub(crate) fn bring(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}
