//! Docker's own client towards the engine of a node: it knows all the ways there, SSH among them.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// For one command; an engine waits 20 s for its swarm.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// The engine of a node.
#[derive(Debug)]
pub(super) struct Engine {
    host: Option<String>,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host.as_deref().unwrap_or("this host"))
    }
}

impl Engine {
    /// The one that the client reaches unasked.
    pub(super) fn here() -> Self {
        Self { host: None }
    }

    /// At an address as `docker --host` takes it.
    pub(super) fn at(host: String) -> Self {
        Self { host: Some(host) }
    }

    /// Runs the client; what it printed, or why it failed.
    pub(super) fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new("docker");
        command.args(self.host.iter().flat_map(|host| ["--host", host])).args(args);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start docker: {e}"))?;
        let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let ended = await_end(&mut child)?;
        let text =
            |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default().trim().to_owned();
        let (out, err) = (text(out), text(err));
        if ended { Ok(out) } else { Err(err.split_whitespace().collect::<Vec<_>>().join(" ")) }
    }

    /// [`Self::run`] as an error of the command.
    pub(super) fn must(&self, args: &[&str]) -> Result<String, Error> {
        self.run(args).map_err(|reason| Error::Setting(format!("docker {}: {reason}", args.join(" "))))
    }

    /// [`Self::must`] where what is asked for may be absent.
    pub(super) fn find(&self, args: &[&str]) -> Result<Option<String>, Error> {
        match self.run(args) {
            Ok(found) => Ok(Some(found)),
            // 20.10 says `No such network`, later ones `not found`.
            Err(reason) if reason.contains("No such") || reason.contains("not found") => Ok(None),
            Err(reason) => Err(Error::Setting(format!("docker {}: {reason}", args.join(" ")))),
        }
    }
}

/// Reads on while the program runs, so that it never waits for us.
fn collect(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Whether it succeeded.
fn await_end(child: &mut Child) -> Result<bool, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no answer within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
