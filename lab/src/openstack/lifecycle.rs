//! `up`, `down`, `status`, `run`.

use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use debian_root::say;
use rustix::process::{Pid, Signal, kill_process};

use super::services::clean;
use super::state::{self, Phase, State, running_state};
use super::{KEYSTONE, NEUTRON, image, layout, memory, running};
use crate::layer::remove;

/// How to start the lab.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct UpOptions {
    /// Also Neutron's DHCP agent, which puts a port of its own on each network with DHCP.
    #[arg(long)]
    pub dhcp: bool,
}

impl UpOptions {
    fn arguments(&self) -> Option<&'static str> {
        self.dhcp.then_some("--dhcp")
    }
}

/// Starts the lab and waits until it is up; makes the image first if that is needed. A lab that is up stays as it is.
///
/// # Errors
/// What did not get ready, and where its log is.
pub fn up(options: &UpOptions) -> Result<()> {
    debian_root::require_root()?;
    let _lock = layout::lock()?;
    if let Some(State { phase: Phase::Up, init, .. }) = running_state()? {
        say(&format!("The lab is up already; its first process is {init}"));
        return Ok(());
    }
    end()?;
    image::build()?;
    fs::create_dir_all(layout::logs()).context("create the directory of logs")?;
    let log = layout::logs().join("lab.log");
    for old in fs::read_dir(layout::logs())?.flatten() {
        fs::remove_file(old.path()).context("remove an old log")?;
    }
    let file = fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
    let mut supervisor = Command::new(std::env::current_exe().context("find this program")?)
        .args(["openstack", "supervise"])
        .args(options.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .context("start the supervisor")?;
    let mut shown = 0;
    let end = Instant::now() + Duration::from_secs(600);
    loop {
        let done = supervisor.try_wait().context("wait for the supervisor")?;
        let text = fs::read_to_string(&log).unwrap_or_default();
        // Whole lines only.
        let until = text.rfind('\n').map_or(0, |at| at + 1);
        let _ = write!(std::io::stderr(), "{}", text.get(shown..until).unwrap_or_default());
        shown = until.max(shown);
        if done.is_some() {
            bail!("the lab did not start; see {}", layout::logs().display());
        }
        if State::read().is_some_and(|s| s.supervisor == supervisor.id() && s.phase == Phase::Up) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("the lab did not start in time; see {}", layout::logs().display());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ends the lab; only logs and the image stay. Does nothing when it does not run.
///
/// # Errors
/// What could not be removed.
pub fn down() -> Result<()> {
    debian_root::require_root()?;
    let _lock = layout::lock()?;
    end()
}

fn end() -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    let mut asked = false;
    let supervisor = loop {
        // While the lock is held, the pid in the state is its holder's.
        if let Some(lock) = layout::supervisor_lock()? {
            break lock;
        }
        let pid = State::read().and_then(|s| i32::try_from(s.supervisor).ok()).and_then(Pid::from_raw);
        let pid = pid.context("the lab runs, but its state cannot be read")?;
        let patient = Instant::now() < end;
        if !asked || !patient {
            let _ = kill_process(pid, if patient { Signal::TERM } else { Signal::KILL });
            asked = true;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    remove(&layout::pids())?;
    let host = layout::host();
    await_end_of_mounts(&host)?;
    for dir in [&host, &layout::share()] {
        if dir.exists() {
            private_host::remove_directory(dir).with_context(|| format!("remove {}", dir.display()))?;
        }
    }
    private_host::remove_cgroups(&host.file_name().unwrap_or_default().to_string_lossy());
    remove(&state::file())?;
    layout::forget_supervisor(supervisor)
}

/// A supervisor that was killed outright ends its host, but not before it is gone itself.
fn await_end_of_mounts(host: &std::path::Path) -> Result<()> {
    let name = host.to_string_lossy().into_owned();
    let end = Instant::now() + Duration::from_secs(20);
    while uses(&name) {
        if Instant::now() > end {
            bail!("processes of an earlier lab still run in {name}; end them");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether any process has an overlay over that directory as its root.
fn uses(dir: &str) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .any(|e| fs::read_to_string(e.path().join("mountinfo")).is_ok_and(|text| text.contains(dir)))
}

/// Prints what runs.
///
/// # Errors
/// When it cannot be told; as JSON also when the lab is not up.
pub fn status(json: bool) -> Result<()> {
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(&running()?)?)?;
        return Ok(());
    }
    let Some(state) = running_state()? else {
        writeln!(out, "down")?;
        return Ok(());
    };
    let phase = match &state.phase {
        Phase::Starting => "starting".to_owned(),
        Phase::Up => "up".to_owned(),
        Phase::Failed(reason) => format!("failed: {reason}"),
    };
    writeln!(out, "{phase}")?;
    writeln!(out, "supervisor    pid {}", state.supervisor)?;
    writeln!(out, "host          pid {}", state.init)?;
    writeln!(out, "Keystone      {KEYSTONE}/v3 (inside)")?;
    writeln!(out, "Neutron       {NEUTRON} (inside)")?;
    writeln!(out, "logs          {}", layout::logs().display())?;
    let used = memory::by_service(state.init)?;
    for (name, pid, bytes) in &used {
        writeln!(out, "{name:<14}pid {pid:<8}{:>6} MiB", bytes / (1 << 20))?;
    }
    writeln!(out, "memory in all          {:>6} MiB", used.iter().map(|u| u.2).sum::<u64>() / (1 << 20))?;
    Ok(())
}

/// Runs a command inside, with our terminal; its exit status.
///
/// # Errors
/// When the lab is not up.
pub fn run(command: &[String]) -> Result<ExitCode> {
    let place = running()?.place()?;
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let status = place.command("env").args(clean("", &words)).status().context("cannot start the command")?;
    Ok(ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)))
}
