//! A service manager that starts the installed service as systemd does: with sockets that are its own, a socket for the
//! service's words, and no capability but those of the unit.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use testkit::World;

use crate::{WATCHDOG, in_host, soon};

/// What systemd does between fork and exec: the sockets go to their places, and the variables name this very process.
const BECOME: &str = r#"echo $$ > "$PID_FILE"; exec 3<&0 4>&1 </dev/null >/dev/null; LISTEN_PID=$$; WATCHDOG_PID=$$
export LISTEN_PID WATCHDOG_PID; exec "$@""#;

pub(crate) struct Manager {
    sockets: [UnixListener; 2],
    words: Arc<Mutex<VecDeque<String>>>,
    words_path: PathBuf,
    capabilities: String,
}

impl Manager {
    /// Opens the sockets of the socket units, and reads the unit of the service.
    pub(crate) fn open(world: &World) -> Result<Self> {
        let listen = |plugin: &str| -> Result<UnixListener> {
            let unit = in_host(world, "cat", &[&format!("/usr/lib/systemd/system/{plugin}.socket")])?;
            let path = format!("/run/docker/plugins/{plugin}.sock");
            ensure!(
                unit.contains(&format!("ListenStream={path}\n")) && unit.contains("Before=docker.service\n")
            );
            ensure!(unit.contains(&format!("FileDescriptorName={plugin}\nService=kuryr.service\n")));
            UnixListener::bind(world.plugin_socket(plugin)).with_context(|| format!("listen on {path}"))
        };
        let words_path = world.dir().join("notify");
        let words = UnixDatagram::bind(&words_path)?;
        let heard = listen_to(words);
        Ok(Self {
            sockets: [listen("kuryr")?, listen("fuxi")?],
            words: heard,
            words_path,
            capabilities: capabilities(&in_host(world, "cat", &["/usr/lib/systemd/system/kuryr.service"])?)?,
        })
    }

    /// Starts the service.
    pub(crate) fn start(&self, world: &World) -> Result<Service> {
        let pid_file = world.dir().join("service.pid");
        let _ = fs::remove_file(&pid_file);
        let log = fs::OpenOptions::new().append(true).create(true).open(world.dir().join("plugin.log"))?;
        let [kuryr, fuxi] = &self.sockets;
        let bounds = format!("--bounding-set=-all{}", self.capabilities);
        let mut command = world.host().command("setpriv");
        let child = command
            .args([&bounds, "--inh-caps=-all", "--no-new-privs", "sh", "-c", BECOME, "manager"])
            .args(["/usr/bin/kuryr", "serve"])
            .env("PID_FILE", &pid_file)
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", "kuryr:fuxi")
            .env("NOTIFY_SOCKET", &self.words_path)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .stdin(Stdio::from(OwnedFd::from(kuryr.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(fuxi.try_clone()?)))
            .stderr(log)
            .spawn()?;
        let read = || fs::read_to_string(&pid_file).ok().filter(|text| text.ends_with('\n'));
        soon("the service starts", || read().is_some())?;
        Ok(Service { child, pid: read().unwrap_or_default().trim().to_owned() })
    }

    /// Waits for this word of the service's, after those that were waited for before.
    pub(crate) fn until(&self, word: &str) -> Result<()> {
        soon(&format!("the service says {word}"), || {
            let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            let found = words.iter().position(|said| said == word);
            found.map(|at| words.drain(..=at).count()).is_some()
        })
    }

    /// Waits until a request is in the queue of a socket.
    pub(crate) fn until_somebody_waits(&self) -> Result<()> {
        let waits = || {
            self.sockets.iter().any(|socket| {
                let mut polled = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)];
                rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default()))
                    .is_ok_and(|n| n > 0)
            })
        };
        soon("a request waits in a socket", waits)
    }
}

/// Hears all the time, as systemd does: a service must not have to wait until it is heard.
fn listen_to(socket: UnixDatagram) -> Arc<Mutex<VecDeque<String>>> {
    let heard = Arc::new(Mutex::new(VecDeque::new()));
    let words = Arc::downgrade(&heard);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        let _ = socket.set_read_timeout(Some(Duration::from_millis(200)));
        while let Some(words) = words.upgrade() {
            let Ok(count) = socket.recv(&mut bytes) else { continue };
            let text = String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()).into_owned();
            words.lock().unwrap_or_else(PoisonError::into_inner).extend(text.lines().map(str::to_owned));
        }
    });
    heard
}

/// The unit's capabilities as setpriv names them, each with `,+` before it.
fn capabilities(unit: &str) -> Result<String> {
    let names = unit
        .lines()
        .filter_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .flat_map(str::split_whitespace);
    let mut text = String::new();
    for name in names {
        let name = name.strip_prefix("CAP_").with_context(|| format!("{name} is no capability"))?;
        text.push_str(&format!(",+{}", name.to_lowercase()));
    }
    ensure!(!text.is_empty(), "the unit bounds no capabilities");
    Ok(text)
}

/// The running service.
pub(crate) struct Service {
    child: Child,
    pid: String,
}

impl Service {
    pub(crate) fn signal(&self, world: &World, signal: Signal) -> Result<()> {
        let number = format!("-{}", signal.as_raw());
        in_host(world, "kill", &[&number, &self.pid]).map(drop)
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self, world: &World) -> Result<()> {
        self.signal(world, Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the service ended with {status}");
        Ok(())
    }

    /// Waits for its end, however it comes.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.child.wait().map(drop).context("wait for the service")
    }
}
