//! `kuryr demo`: the tour, on parts of its own.
//!
//! The command makes a private host and starts itself again inside it, so that everything it starts is gone with it.

mod cloud;
mod stage;
mod tour;

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use private_host::{PrivateHost, Root, Settings};
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::arguments::DemoArguments;
use crate::error::Error;
use crate::output;
use stage::Stage;

/// Where demos keep their images and volumes: not `/tmp`, which may be memory.
const HOME: &str = "/var/tmp";
const PREFIX: &str = "kuryr-demo-";

/// What the tour needs on the machine, with the Debian package that has it.
const TOOLS: [(&str, &str); 6] = [
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("mkfs.ext4", "e2fsprogs"),
];

pub(crate) async fn run(args: DemoArguments) -> Result<(), Error> {
    if let Some(dir) = &args.inside {
        return inside(dir, None).await;
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Demo("namespaces, links and mounts need root; run it with sudo".into()));
    }
    let needed = TOOLS.iter().filter(|(tool, _)| args.docker.is_none() || *tool != "dockerd");
    let mut missing: Vec<&str> = needed.filter(|(tool, _)| !is_installed(tool)).map(|(_, p)| *p).collect();
    missing.dedup();
    if !missing.is_empty() {
        return Err(Error::Demo(format!(
            "the demo needs more Debian packages: apt-get install {} (if they are there, put /usr/sbin and /sbin on \
             PATH)",
            missing.join(" ")
        )));
    }
    remove_leftovers();
    let dir = Path::new(HOME).join(format!("{PREFIX}{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|source| Error::Io {
        action: "create",
        what: dir.clone(),
        source,
    })?;
    let outcome = match &args.docker {
        Some(socket) => inside(&dir, Some(socket)).await,
        None => outside(&dir).await,
    };
    let _ = private_host::remove_directory(&dir);
    outcome
}

/// The command as typed: a private host, and the tour inside it. An interrupt ends the host and with it everything.
async fn outside(dir: &Path) -> Result<(), Error> {
    let settings =
        Settings { name: "kuryr-demo".into(), dir: dir.to_owned(), root: Root::Machine, share: Vec::new() };
    let mut host = PrivateHost::start(&settings).map_err(|e| Error::Demo(e.to_string()))?;
    let program = std::env::current_exe().map_err(|source| Error::Io {
        action: "find",
        what: "kuryr itself".into(),
        source,
    })?;
    let mut tour = Command::from(host.command(&program.to_string_lossy()));
    tour.args(["demo", "--inside"]).arg(dir);
    let mut tour = tour.spawn().map_err(|source| Error::Io { action: "start", what: program, source })?;
    let mut interrupts = Interrupts::listen()?;
    let status = tokio::select! {
        status = tour.wait() => status.ok(),
        () = interrupts.wait() => None,
    };
    host.stop();
    private_host::remove_cgroups(&host.place().name());
    match status {
        Some(status) if status.success() => Ok(()),
        Some(_) => Err(Error::Demo("the tour did not hold; see above".into())),
        None => Err(interrupted()),
    }
}

/// The tour itself. `machine` is the machine's own engine, if that is to be used.
async fn inside(dir: &Path, machine: Option<&str>) -> Result<(), Error> {
    // Before anything is started: on the machine's own engine nobody but us ends what we start.
    let mut interrupts = Interrupts::listen()?;
    let mut stage = Stage::set(dir, machine).await?;
    let outcome = tokio::select! {
        biased;
        () = interrupts.wait() => Err(interrupted()),
        outcome = tour::walk(&stage) => outcome.inspect_err(|_| stage.show_log()),
    };
    if outcome.is_ok() && std::io::stdin().is_terminal() {
        stage.invite();
        tokio::select! {
            () = interrupts.wait() => {}
            () = enter() => {}
        }
    }
    tour::clean_up(&stage).await;
    stage.strike();
    outcome
}

/// The Enter key. A thread of its own: the runtime would wait for one of its own until somebody types.
async fn enter() {
    let (typed, wait) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        let _ = typed.send(());
    });
    let _ = wait.await;
}

fn interrupted() -> Error {
    Error::Demo("interrupted; everything it made is gone".into())
}

/// What ends the demo early. From its making on, the signals kill nobody.
struct Interrupts {
    term: Signal,
    int: Signal,
}

impl Interrupts {
    fn listen() -> Result<Self, Error> {
        let handler = |kind| {
            signal(kind).map_err(|source| Error::Io { action: "handle", what: "signals".into(), source })
        };
        Ok(Self { term: handler(SignalKind::terminate())?, int: handler(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|dir| Path::new(dir).join(tool).exists())
}

/// Directories of demos that were killed outright.
fn remove_leftovers() {
    private_host::remove_leftovers(Path::new(HOME), PREFIX, |path| {
        output::note(format_args!("removing what a killed demo left: {}", path.display()));
    });
}
