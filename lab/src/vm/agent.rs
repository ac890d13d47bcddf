//! The part inside a guest: runs commands for the guest's owner, and leads connections to the places outside that the
//! guest knows at its loopback address. It is this very program, started by the guest's first process.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use debian_root::say;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};

use super::forward::pass_on;
use super::protocol::{Answer, PORT, Request, hear};

/// First argument of the agent.
pub(crate) const AGENT: &str = "--guest-agent";
/// Its settings, seen from inside.
const SETTINGS: &str = "/lab/agent.json";
/// A command has ended, but somebody it has left behind may still hold its output open.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What the agent has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The guest's address on the management card.
    pub(crate) address: Ipv4Addr,
    /// That of its owner.
    pub(crate) gateway: Ipv4Addr,
    /// Ports of the loopback address that lead to the owner's.
    pub(crate) ports: Vec<u16>,
}

impl Settings {
    /// Name of the file in the guest's directory.
    pub(crate) const FILE: &str = "agent.json";
}

/// Takes over when this process was started inside a guest; returns at once otherwise. To be called by every program
/// that has guests, as the first statement of `main`.
pub fn intercept() {
    if std::env::args().nth(1).as_deref() != Some(AGENT) {
        return;
    }
    let code = match run() {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("the agent ended: {error:#}"));
            1
        }
    };
    std::process::exit(code)
}

fn run() -> Result<()> {
    let settings: Settings = serde_json::from_slice(&std::fs::read(SETTINGS).context("read the settings")?)?;
    let mut ways = Vec::new();
    for port in settings.ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("listen for others")?;
        ways.push((listener, SocketAddr::from((settings.gateway, port))));
    }
    let (_stay, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || pass_on(ways, stopped));
    let (end, ended) = mpsc::channel();
    let listener = TcpListener::bind((settings.address, PORT)).context("listen for the owner")?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let end = end.clone();
            std::thread::spawn(move || {
                if let Err(error) = serve(stream, &end) {
                    say(&format!("a connection ended: {error:#}"));
                }
            });
        }
    });
    // Until the owner lets go.
    ended.recv().context("the listener ended")
}

fn serve(mut stream: TcpStream, end: &Sender<()>) -> Result<()> {
    stream.set_nodelay(true)?;
    match hear(&mut stream)? {
        Request::Leash => {
            Answer::Begun(0).send(&mut stream)?;
            let _ = stream.read(&mut [0]);
            end.send(()).context("the agent is ending")
        }
        Request::Run { command, input } => {
            let mut given = vec![0; input];
            stream.read_exact(&mut given)?;
            match start(&command, input > 0) {
                Ok(child) => attend(child, given, stream),
                Err(error) => Ok(Answer::Failed(format!("{error:#}")).send(&mut stream)?),
            }
        }
    }
}

fn start(command: &[String], with_input: bool) -> Result<Child> {
    let (program, args) = command.split_first().context("an empty command")?;
    Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8")
        .stdin(if with_input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {program}"))
}

/// Passes on what a command says, until it ends or the owner lets go of the connection; that ends the command.
fn attend(mut child: Child, input: Vec<u8>, stream: TcpStream) -> Result<()> {
    let pid = child.id();
    let group = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let answers = Arc::new(Mutex::new(stream.try_clone()?));
    let send = |answer: Answer| answer.send(&mut *answers.lock().unwrap_or_else(PoisonError::into_inner));
    send(Answer::Begun(pid))?;
    if let Some(mut stdin) = child.stdin.take() {
        std::thread::spawn(move || stdin.write_all(&input));
    }
    let (done, heard) = mpsc::channel();
    pump(child.stdout.take(), Answer::Output, &answers, &done);
    pump(child.stderr.take(), Answer::Error, &answers, &done);
    drop(done);
    // As long as it is true, the pid is the command's.
    let alive = Arc::new(Mutex::new(true));
    let (watched, mut owner) = (alive.clone(), stream.try_clone()?);
    std::thread::spawn(move || {
        let _ = owner.read(&mut [0]);
        let alive = watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(group)) = (*alive, group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    });
    if let Some(pid) = group {
        // Not reaped yet, so that nobody else gets the pid before it is known to be free.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    }
    *alive.lock().unwrap_or_else(PoisonError::into_inner) = false;
    let status = child.wait()?;
    let _ = heard.recv_timeout(LAST_WORDS);
    send(Answer::Ended(status.into_raw()))?;
    // The owner may have been faster.
    let _ = stream.shutdown(Shutdown::Both);
    Ok(())
}

/// Passes on what comes; `done` is dropped at its end.
fn pump(
    from: Option<impl Read + Send + 'static>,
    kind: fn(Vec<u8>) -> Answer,
    to: &Arc<Mutex<TcpStream>>,
    done: &Sender<()>,
) {
    let (to, done) = (to.clone(), done.clone());
    std::thread::spawn(move || {
        let _done = done;
        let mut buffer = vec![0; 1 << 16];
        let Some(mut from) = from else { return };
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let said = kind(buffer.get(..length).unwrap_or_default().to_vec());
            // An owner who is gone is noticed elsewhere.
            let _ = said.send(&mut *to.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
}
