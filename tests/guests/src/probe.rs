//! Packets between instances and between containers in them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lab::vm::{Guest, GuestProcess};

/// A port on a real cloud is wired some seconds after it was asked for, and rules need a moment to become effective.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of a single try.
const TRY: Duration = Duration::from_secs(20);

/// A network namespace inside a guest: the guest's own or a container's.
#[derive(Debug, Clone)]
pub struct Spot<'a> {
    guest: &'a Guest,
    pid: String,
}

impl<'a> Spot<'a> {
    /// The guest's own.
    #[must_use]
    pub fn guest(guest: &'a Guest) -> Self {
        Self { guest, pid: "1".into() }
    }

    /// That of a process in the guest.
    #[must_use]
    pub fn process(guest: &'a Guest, pid: &str) -> Self {
        Self { guest, pid: pid.to_owned() }
    }

    fn words<'b>(&'b self, command: &[&'b str]) -> Vec<&'b str> {
        [&["nsenter", "--net", "--target", &self.pid, "--"][..], command].concat()
    }

    /// Runs a command there; whether it succeeded, and what it printed.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, command: &[&str]) -> Result<(bool, String)> {
        self.run_with(command, b"")
    }

    /// Runs a command there, which must succeed; what it prints, trimmed.
    ///
    /// # Errors
    /// With what it prints on standard error.
    pub fn must(&self, command: &[&str]) -> Result<String> {
        self.guest.must(&self.words(command))
    }

    /// Starts a program there and waits until somebody listens at a TCP port. Dropping it ends the program.
    ///
    /// # Errors
    /// When nobody comes to listen.
    pub fn listen(&self, command: &[&str], port: u16) -> Result<GuestProcess> {
        let process = self.guest.spawn(&self.words(command), &self.guest.dir().join("listener.log"))?;
        await_socket(self, &["-lnt"], &port.to_string())?;
        Ok(process)
    }

    fn run_with(&self, command: &[&str], input: &[u8]) -> Result<(bool, String)> {
        let output = self.guest.run_with(&self.words(command), input, TRY)?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

/// Fails unless an address answers a ping within 30 s.
///
/// # Errors
/// When there is no answer.
pub fn ping(from: &Spot<'_>, address: &str) -> Result<()> {
    if becomes(true, || answers(from, address))? {
        return Ok(());
    }
    bail!("{} does not answer {} within {} s", address, from.guest.name(), PATIENCE.as_secs())
}

/// Whether an address answers no ping (any more), within 30 s.
///
/// # Errors
/// When no ping can be sent.
pub fn ping_stops(from: &Spot<'_>, address: &str) -> Result<bool> {
    becomes(false, || answers(from, address))
}

fn answers(from: &Spot<'_>, address: &str) -> Result<bool> {
    Ok(from.run(&["ping", "-c1", "-W1", address])?.0)
}

/// Whether a TCP port at one place can be reached from another one, within 30 s.
///
/// # Errors
/// When a program cannot be run.
pub fn tcp_opens(from: &Spot<'_>, to: &Spot<'_>, address: &str, port: u16) -> Result<bool> {
    becomes(true, || tcp(from, to, address, port))
}

/// Whether a TCP port at one place cannot be reached from another one (any more), within 30 s. Both ends must be known
/// to be connected, or this proves nothing.
///
/// # Errors
/// When a program cannot be run.
pub fn tcp_closes(from: &Spot<'_>, to: &Spot<'_>, address: &str, port: u16) -> Result<bool> {
    becomes(false, || tcp(from, to, address, port))
}

/// As [`tcp_opens`] for UDP.
///
/// # Errors
/// When a program cannot be run.
pub fn udp_opens(from: &Spot<'_>, to: &Spot<'_>, address: &str, port: u16) -> Result<bool> {
    becomes(true, || udp(from, to, address, port))
}

/// As [`tcp_closes`] for UDP.
///
/// # Errors
/// When a program cannot be run.
pub fn udp_closes(from: &Spot<'_>, to: &Spot<'_>, address: &str, port: u16) -> Result<bool> {
    becomes(false, || udp(from, to, address, port))
}

fn becomes(wanted: bool, look: impl Fn() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + PATIENCE;
    loop {
        if look()? == wanted {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// More than one segment, so that segments of full size are seen to pass, too.
const SIZE: usize = 20_000;

fn tcp(from: &Spot<'_>, to: &Spot<'_>, address: &str, port: u16) -> Result<bool> {
    let (listen, call) =
        (format!("TCP-LISTEN:{port},bind={address}"), format!("TCP:{address}:{port},connect-timeout=2"));
    let (listener, log) = listening(to, &listen, &["-lnt"], port)?;
    from.run_with(&["socat", "-u", "-", &call], &vec![b'x'; SIZE])?;
    let come = || std::fs::metadata(&log).is_ok_and(|file| file.len() == SIZE as u64);
    Ok(soon(&listener, come))
}

fn udp(from: &Spot<'_>, to: &Spot<'_>, address: &str, port: u16) -> Result<bool> {
    let (listen, call) = (format!("UDP-RECV:{port},bind={address}"), format!("UDP-SENDTO:{address}:{port}"));
    let (listener, log) = listening(to, &listen, &["-lnu"], port)?;
    // More than one, so that address resolution cannot be mistaken for filtering.
    for _ in 0..3 {
        from.run_with(&["socat", "-u", "-", &call], b"knock\n")?;
        let come = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("knock"));
        if soon(&listener, come) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Somebody who listens, and the file that gets what he hears.
fn listening(at: &Spot<'_>, how: &str, which: &[&str], port: u16) -> Result<(GuestProcess, PathBuf)> {
    let log = at.guest.dir().join("heard.log");
    let _ = std::fs::remove_file(&log);
    let listener = at.guest.spawn(&at.words(&["socat", "-u", how, "-"]), &log)?;
    await_socket(at, which, &port.to_string())?;
    Ok((listener, log))
}

/// Whether something happens within a second; not later than the listener hears nothing any more.
fn soon(listener: &GuestProcess, happens: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(1);
    while !happens() && listener.is_running() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    happens()
}

/// Waits until somebody listens.
fn await_socket(at: &Spot<'_>, which: &[&str], port: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(5);
    let wanted = format!(":{port}");
    while Instant::now() < end {
        let (_, text) = at.run(&[&["ss", "--no-header"][..], which].concat())?;
        if text.lines().any(|line| line.split_whitespace().any(|word| word.ends_with(&wanted))) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("nobody listens at port {port} in {}", at.guest.name())
}
