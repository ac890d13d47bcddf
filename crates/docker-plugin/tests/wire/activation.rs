//! Sockets inherited as from systemd: the test program starts itself as the service.

use std::{
    io::{BufRead as _, BufReader, Lines, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use docker_plugin::server::{self, OpenTcp, ServerOptions};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{DOCKER, PATIENCE, request},
    drivers::Recorder,
    rig,
};

/// Puts standard input at the place of the first inherited socket and names the process that is to take it, then
/// becomes the service: what systemd does between fork and exec.
const MANAGER: &str = r#"exec 3<&0 </dev/null; LISTEN_PID=$$; export LISTEN_PID; exec "$@""#;

/// A started service; killed at the latest with the test.
struct Service {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(socket: OwnedFd, count: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", MANAGER, "manager"])
            .arg(program)
            .args(["--exact", "activation::the_service", "--ignored", "--nocapture"])
            .env("LISTEN_FDS", count)
            .env("LISTEN_FDNAMES", "plugin")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits for a line with `start` in it.
    fn says(&mut self, start: &str) -> String {
        self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(start)).unwrap_or_default()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "is the child of the other tests here"]
fn the_service() {
    // Without a manager there is nothing to serve: `cargo test -- --ignored` runs this too.
    if std::env::var_os("LISTEN_FDS").is_none() {
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let sockets = match server::activated_sockets() {
            Ok(sockets) => sockets,
            Err(error) => {
                println!("refused: {error}");
                return;
            }
        };
        let mut listeners = Vec::new();
        for socket in sockets {
            println!("inherited {} tcp={}", socket.name(), socket.is_tcp());
            listeners.push(socket.into_listener(OpenTcp::LoopbackOnly, None).unwrap());
        }
        let stop = CancellationToken::new();
        // Ends by itself should the test die.
        let end = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE * 2).await;
            end.cancel();
        });
        let plugin = rig::plugin(&Arc::new(Recorder::default())).build();
        server::serve(plugin, listeners, ServerOptions::default(), stop).await.unwrap();
    });
}

fn activate(stream: &mut (impl std::io::Read + std::io::Write)) -> String {
    stream.write_all(&request("/Plugin.Activate", DOCKER, "")).unwrap();
    let mut bytes = [0; 1024];
    let count = stream.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn an_inherited_unix_socket_is_served_and_outlives_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // A request made before the service runs waits in the queue.
    let mut early = connect(&path);
    early.write_all(&request("/Plugin.Activate", DOCKER, "")).unwrap();

    let service = Service::start(listener.try_clone().unwrap().into(), "1");
    let mut bytes = [0; 1024];
    let count = early.read(&mut bytes).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..count]).contains("Implements"));
    drop(early);
    drop(service);

    assert!(path.exists(), "the path belongs to the manager");
    let mut between = connect(&path);
    between.write_all(&request("/Plugin.Activate", DOCKER, "")).unwrap();
    let _service = Service::start(listener.into(), "1");
    let count = between.read(&mut bytes).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..count]).contains("Implements"), "the queue outlives a restart");
}

#[test]
fn an_inherited_tcp_socket_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut service = Service::start(listener.into(), "1");
    assert!(service.says("inherited").ends_with("inherited plugin tcp=true"));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(activate(&mut stream).contains("Implements"));
}

#[test]
fn a_descriptor_that_is_no_listening_socket_is_refused_by_name() {
    let mut service = Service::start(std::fs::File::open("/dev/null").unwrap().into(), "1");
    let line = service.says("refused");
    assert!(line.contains("inherited socket plugin"), "{line}");
    let (one, _other) = UnixStream::pair().unwrap();
    let mut service = Service::start(one.into(), "1");
    assert!(service.says("refused").contains("not a listening stream socket"));
}

#[test]
fn an_announced_descriptor_that_is_missing_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut service = Service::start(listener.into(), "900");
    assert!(service.says("refused").contains("inherited descriptor"));
}

#[test]
fn without_a_manager_there_are_no_sockets() {
    assert!(server::activated_sockets().unwrap().is_empty());
}
