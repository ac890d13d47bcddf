//! The kernel's own NFS server and client around a volume that is a file. It changes the machine (exports, mounts), so it
//! wants a guest of its own, with the Debian packages nfs-kernel-server and nfs-common: `cargo xtask lab vm test connectors
//! nfs_export`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use host_storage::connector::{Connection, Machine, connect, disconnect, prove, rescan};
use host_storage::{Filesystem, Probe, own_mounts};
use serde_json::{Value, json};

const VOLUME: &str = "5f0f0f0f-1111-4222-8333-444444444444";
const SIZE: u64 = 64 << 20;
const SERVED: &str = "/srv/volumes";

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The server; it ends with this.
struct Server(Vec<Child>);

impl Server {
    fn start() -> Self {
        let guest = fs::read_to_string("/proc/cmdline").unwrap();
        assert!(guest.contains("lab_name="), "this test wants a guest of its own");
        // A disk of its own: an overlay or a memory filesystem cannot always be exported.
        for dir in [SERVED, "/run/rpcbind", "/var/lib/nfs/rpc_pipefs"] {
            fs::create_dir_all(dir).unwrap();
        }
        let options = "rw,fsid=0,no_subtree_check,no_root_squash,insecure";
        fs::write("/etc/exports", format!("{SERVED} 127.0.0.0/8({options})\n")).unwrap();
        run("modprobe", &["nfsd"]);
        if !Path::new("/proc/fs/nfsd/threads").exists() {
            run("mount", &["-t", "nfsd", "nfsd", "/proc/fs/nfsd"]);
        }
        let mut server = Self(Vec::new());
        server.add("rpcbind", &["-w", "-f"], &["-p", "127.0.0.1"]);
        run("exportfs", &["-a"]);
        run("rpc.nfsd", &["--grace-time", "10", "--lease-time", "10", "4"]);
        // Kernels that do not know it wait until the time is over.
        let _ = fs::write("/proc/fs/nfsd/v4_end_grace", "Y\n");
        server.add("rpc.mountd", &["--foreground"], &["-t", "127.0.0.1", "mountd", "3"]);
        server
    }

    /// Starts a daemon, and waits until it answers.
    fn add(&mut self, program: &str, arguments: &[&str], ask: &[&str]) {
        self.0.push(Command::new(program).args(arguments).spawn().unwrap());
        let started = Instant::now();
        while !Command::new("rpcinfo").args(ask).output().unwrap().status.success() {
            assert!(started.elapsed() < Duration::from_secs(60), "{program} does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for (program, arguments) in [("rpc.nfsd", ["0"]), ("exportfs", ["-ua"])] {
            let _ = Command::new(program).args(arguments).status();
        }
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(SERVED);
    }
}

fn parse(options: &str, name: &str) -> Connection {
    // Version 4 names exports below the one with fsid=0.
    let export =
        if options.contains("vers=3") { format!("127.0.0.1:{SERVED}") } else { "127.0.0.1:/".into() };
    let info: Value = json!({
        "driver_volume_type": "nfs", "export": export, "name": name, "options": options, "format": "raw",
    });
    Connection::parse(info.as_object().unwrap(), VOLUME).unwrap()
}

fn mounted() -> usize {
    own_mounts().unwrap().iter().filter(|m| m.kind.starts_with("nfs") && m.kind != "nfsd").count()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    println!("{what}: {} ms", started.elapsed().as_millis());
    result
}

#[test]
#[ignore = "changes the machine: for a guest with an NFS server"]
fn a_file_of_an_nfs_server_is_connected_used_grows_and_goes() {
    let _server = Server::start();
    let machine = Machine::default();
    for (version, name) in [("-o vers=4.2", "volume-4"), ("-o vers=3,nolock", "volume-3")] {
        let file = Path::new(SERVED).join(name);
        File::create(&file).unwrap().set_len(SIZE).unwrap();
        let connection = parse(version, name);
        let device = timed(version, || {
            connect(&machine, &connection, VOLUME, SIZE).unwrap_or_else(|e| panic!("{version}: {e}"))
        });
        assert_eq!(mounted(), 1);
        let path = device.path().to_owned();
        let direct = format!("/sys/dev/block/{}/loop/dio", device.number());
        println!("direct I/O: {}", fs::read_to_string(direct).unwrap().trim());
        let Probe::Blank(proof) = host_storage::probe(device).unwrap() else { panic!("not blank") };
        host_storage::make_filesystem(proof, Filesystem::Ext4, uuid::Uuid::new_v4(), "").unwrap();
        let at = tempfile::tempdir().unwrap();
        let device = prove(&machine, &connection.link, &path, VOLUME, SIZE).unwrap();
        host_storage::mount(&device, Filesystem::Ext4, "", at.path()).unwrap();
        fs::write(at.path().join("data"), vec![7; 4 << 20]).unwrap();
        timed("flush", || host_storage::flush(at.path()).unwrap());
        assert!(disconnect(&machine, &connection.link, VOLUME).unwrap_err().is_busy());

        File::options().write(true).open(&file).unwrap().set_len(2 * SIZE).unwrap();
        rescan(&machine, &connection.link, VOLUME).unwrap();
        prove(&machine, &connection.link, &path, VOLUME, 2 * SIZE).unwrap();
        host_storage::unmount(&device, at.path()).unwrap();
        drop(device);
        timed("disconnect", || disconnect(&machine, &connection.link, VOLUME).unwrap());
        assert_eq!(mounted(), 0);
        // What was written is with the server.
        let mut magic = [0; 2];
        File::open(&file).unwrap().read_exact_at(&mut magic, 0x438).unwrap();
        assert_eq!(magic, [0x53, 0xef]);
    }
    let two: Vec<_> = ["volume-4", "volume-5"].map(|name| parse("-o vers=4.2", name)).into();
    File::create(Path::new(SERVED).join("volume-5")).unwrap().set_len(2 * SIZE).unwrap();
    let devices: Vec<_> = two.iter().map(|c| connect(&machine, c, VOLUME, 2 * SIZE).unwrap()).collect();
    assert_ne!(devices[0].number(), devices[1].number());
    assert_eq!(mounted(), 1, "one mount for both");
    drop(devices);
    disconnect(&machine, &two[0].link, VOLUME).unwrap();
    assert_eq!(mounted(), 1);
    disconnect(&machine, &two[1].link, VOLUME).unwrap();
    assert_eq!(mounted(), 0);

    let absent = parse("-o vers=4.2", "absent");
    let error = connect(&machine, &absent, VOLUME, SIZE).unwrap_err().to_string();
    println!("{error}");
    disconnect(&machine, &absent.link, VOLUME).unwrap();
    let mut nowhere = json!({
        "driver_volume_type": "nfs", "export": "127.0.0.1:/nowhere", "name": "x", "options": "-o vers=3,nolock",
        "format": "raw",
    });
    let refused = |info: &Value| {
        let connection = Connection::parse(info.as_object().unwrap(), VOLUME).unwrap();
        let error = connect(&machine, &connection, VOLUME, SIZE).unwrap_err().to_string();
        println!("{error}");
        disconnect(&machine, &connection.link, VOLUME).unwrap();
        error
    };
    assert!(refused(&nowhere).contains("mount.nfs on 127.0.0.1:/nowhere failed"));
    nowhere["driver_volume_type"] = json!("glusterfs");
    assert!(refused(&nowhere).contains("install the Debian package glusterfs-client"));
    assert_eq!(mounted(), 0);
}
