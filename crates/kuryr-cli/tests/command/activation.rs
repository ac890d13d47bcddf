//! Sockets that the service manager opened: requests wait in their queue until the process is up.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::http;
use crate::rig::{AUTH, Rig, Running};

/// Puts standard input and output at the places of the inherited sockets and names the process that is to take them,
/// then becomes the service: what systemd does between fork and exec.
const MANAGER: &str = r#"exec 3<&0 4>&1 </dev/null >/dev/null; LISTEN_PID=$$; export LISTEN_PID; exec "$@""#;

fn start(rig: &Rig, kuryr: &UnixListener, fuxi: &UnixListener) -> Running {
    let mut command = Command::new("sh");
    rig.prepare(&mut command);
    command.args(["-c", MANAGER, "manager", env!("CARGO_BIN_EXE_kuryr")]).args(rig.serve_arguments());
    command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "kuryr.socket:fuxi");
    let descriptor = |listener: &UnixListener| OwnedFd::from(listener.try_clone().unwrap());
    command.stdin(Stdio::from(descriptor(kuryr)));
    Running::start_with_output(&mut command, descriptor(fuxi).into(), &rig.path("log"))
}

#[test]
fn requests_queue_before_the_process_is_up_and_while_it_is_away() {
    let rig = Rig::new();
    rig.kuryr("", &format!("[neutron]\n{AUTH}"));
    rig.fuxi("", &format!("[cinder]\n{AUTH}"));
    let paths = ["k.sock", "f.sock"].map(|name| rig.path(name));
    let [kuryr, fuxi] = paths.clone().map(|path| UnixListener::bind(path).unwrap());
    let early = || {
        paths.clone().map(|path| {
            let mut stream = UnixStream::connect(path).unwrap();
            http::send(&mut stream, "POST", "/Plugin.Activate", "");
            stream
        })
    };
    let answers = |streams: [UnixStream; 2]| {
        streams.map(|mut stream| http::receive(&mut stream).1["Implements"].clone())
    };
    let expected = [json!(["NetworkDriver", "IpamDriver"]), json!(["VolumeDriver"])];

    let waiting = early();
    let mut service = start(&rig, &kuryr, &fuxi);
    assert_eq!(answers(waiting), expected, "{}", service.log());
    assert!(!rig.socket("kuryr").exists() && !rig.socket("fuxi").exists(), "it opens none of its own");
    service.terminate();
    assert_eq!(service.end().code(), Some(0), "{}", service.log());
    assert!(paths.iter().all(|path| path.exists()), "the files are the manager's");

    let waiting = early();
    let service = start(&rig, &kuryr, &fuxi);
    assert_eq!(answers(waiting), expected, "{}", service.log());
}
