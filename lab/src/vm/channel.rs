//! Commands in a running guest, seen from its owner.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use os::netns::{NetNs, run_in};

use super::protocol::{Answer, PORT, Request, ask};

/// How long a guest may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a read waits before it looks whether the guest is still there: one that was killed says nothing.
const TICK: Duration = Duration::from_millis(200);

/// A way to the agent of a guest, as long as that guest runs.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) netns: NetNs,
    pub(crate) address: Ipv4Addr,
    pub(crate) alive: Arc<AtomicBool>,
}

/// A request that is being answered. Dropping it ends the command.
#[derive(Debug)]
pub(crate) struct Call {
    stream: TcpStream,
    read: Vec<u8>,
    alive: Arc<AtomicBool>,
}

impl Channel {
    /// Asks for something; `input` follows the request.
    pub(crate) fn call(&self, request: &Request, input: &[u8]) -> Result<Call> {
        let address = SocketAddr::from((self.address, PORT));
        let connect = || TcpStream::connect_timeout(&address, CONNECT);
        let mut stream = run_in(&self.netns, connect).context("enter the guest's network namespace")??;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        ask(&mut stream, request)?;
        stream.write_all(input)?;
        Ok(Call { stream, read: Vec::new(), alive: self.alive.clone() })
    }
}

impl Call {
    /// The next answer; fails at `end`, or when the guest has ended.
    pub(crate) fn next(&mut self, end: Instant) -> Result<Answer> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some(answer) = Answer::take(&mut self.read)? {
                return Ok(answer);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the guest closed the connection"),
                Ok(length) => self.read.extend(buffer.get(..length).unwrap_or_default()),
                Err(error) if is_tick(&error) => {
                    if !self.alive.load(Ordering::Relaxed) {
                        bail!("the guest has ended");
                    }
                    if Instant::now() > end {
                        bail!("not done in time");
                    }
                }
                Err(error) => return Err(error).context("the connection to the guest"),
            }
        }
    }

    /// All that a command says, until it ends.
    pub(crate) fn finish(
        mut self,
        end: Instant,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> Result<ExitStatus> {
        loop {
            match self.next(end)? {
                Answer::Begun(_) => {}
                Answer::Output(bytes) => out.write_all(&bytes)?,
                Answer::Error(bytes) => err.write_all(&bytes)?,
                Answer::Ended(status) => return Ok(ExitStatus::from_raw(status)),
                Answer::Failed(reason) => bail!("{reason}"),
            }
        }
    }
}

fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// A long-running command in a guest. Dropping it ends it at once, with all its process group.
#[derive(Debug)]
pub struct GuestProcess {
    pid: u32,
    stream: TcpStream,
    listener: Option<JoinHandle<Option<ExitStatus>>>,
}

impl GuestProcess {
    pub(crate) fn start(channel: &Channel, command: &[&str], log: &Path) -> Result<Self> {
        let mut file = File::options().create(true).append(true).open(log);
        let file =
            file.as_mut().map_err(|e| io::Error::new(e.kind(), format!("open {}: {e}", log.display())))?;
        let (mut out, mut err) = (file.try_clone()?, file.try_clone()?);
        let request = Request::Run { command: command.iter().map(|&word| word.into()).collect(), input: 0 };
        let mut call = channel.call(&request, &[])?;
        let pid = match call.next(Instant::now() + CONNECT)? {
            Answer::Begun(pid) => pid,
            Answer::Failed(reason) => bail!("{reason}"),
            other => bail!("an answer out of turn: {other:?}"),
        };
        let stream = call.stream.try_clone()?;
        // As good as for ever: it ends with the command or the guest.
        let end = Instant::now() + Duration::from_secs(24 * 3600);
        let listener = std::thread::spawn(move || call.finish(end, &mut out, &mut err).ok());
        Ok(Self { pid, stream, listener: Some(listener) })
    }

    /// Its pid inside.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.listener.as_ref().is_some_and(|listener| !listener.is_finished())
    }

    /// Waits until it has ended, at most that long; its status, unless the guest has ended before.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while self.is_running() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_running() {
            return None;
        }
        self.listener.take().and_then(|listener| listener.join().ok().flatten())
    }
}

impl Drop for GuestProcess {
    fn drop(&mut self) {
        // The agent ends the command then, and says so.
        let _ = self.stream.shutdown(Shutdown::Write);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}
