//! `kuryr tls init`, and who is let in by what it makes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::peer::Identity;
use crate::rig::{AUTH, Rig, Running, free_port};

/// Both plugins by TLS with certificates of `kuryr tls init`.
pub(crate) struct Served {
    pub(crate) rig: Rig,
    pub(crate) running: Running,
    pub(crate) addresses: [std::net::SocketAddr; 2],
}

impl Served {
    pub(crate) fn new() -> Self {
        let rig = Rig::new();
        let dir = init(&rig, &[]);
        let addresses = [free_port(), free_port()];
        let options = |address| {
            let file = |name: &str| dir.join(name).display().to_string();
            let (cert, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
            // `[default]`, as the slides have it.
            format!(
                "\n[default]\nenable_ssl = True\nssl_cert_file = {cert}\nssl_key_file = {key}\nssl_ca_file = {ca}\n\
                 {address}\n"
            )
        };
        rig.kuryr(&options(format!("kuryr_uri = https://{}", addresses[0])), &format!("[neutron]\n{AUTH}"));
        rig.fuxi(&options(format!("fuxi_port = {}", addresses[1].port())), &format!("[cinder]\n{AUTH}"));
        let mut running = rig.serve();
        for address in addresses {
            running.until("it listens", || std::net::TcpStream::connect(address).is_ok());
        }
        Self { rig, running, addresses }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.rig.path("tls")
    }
}

pub(crate) fn init(rig: &Rig, args: &[&str]) -> PathBuf {
    let dir = rig.path("tls");
    let said = rig.run(&[&["tls", "init", "--dir", &dir.to_string_lossy()], args].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("enable_ssl = True") && !said.out.contains("BEGIN"), "{said:?}");
    dir
}

#[test]
fn both_plugins_are_served_to_docker_with_what_tls_init_makes() {
    let served = Served::new();
    let dir = served.dir();
    for (address, implements) in served.addresses.iter().zip(["IpamDriver", "VolumeDriver"]) {
        let answer = Identity::of(&dir, "client").activate(&dir.join("ca.pem"), *address).unwrap();
        assert!(answer.contains(implements), "{answer}");
        // The plugins' own certificate does not open them.
        assert!(Identity::of(&dir, "server").activate(&dir.join("ca.pem"), *address).is_err());
    }
    for (plugin, port) in [("kuryr", 23750), ("fuxi", 7879)] {
        let text = fs::read_to_string(dir.join(format!("{plugin}.json"))).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["Name"], plugin);
        assert_eq!(json["Addr"], format!("https://127.0.0.1:{port}"));
        assert_eq!(json["TLSConfig"]["InsecureSkipVerify"], false);
        for (key, file) in [("CAFile", "ca.pem"), ("CertFile", "client.pem"), ("KeyFile", "client.key")] {
            assert_eq!(json["TLSConfig"][key], dir.join(file).to_string_lossy().as_ref());
        }
    }
}

#[test]
fn keys_are_for_their_owner_only_and_nothing_is_overwritten() {
    let rig = Rig::new();
    let dir = init(&rig, &["--host", "fd00::1", "--host", "db.example.org"]);
    let files = || -> Vec<(String, u32, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .flatten()
            .map(|entry| {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                (entry.file_name().into_string().unwrap(), mode, fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(before.len(), 8, "{:?}", before.iter().map(|(name, ..)| name).collect::<Vec<_>>());
    for (name, mode, _) in before.iter().filter(|(name, ..)| name.ends_with(".key")) {
        assert_eq!(*mode, 0o600, "{name}");
    }
    let kuryr = fs::read_to_string(dir.join("kuryr.json")).unwrap();
    assert!(kuryr.contains("https://[fd00::1]:23750"), "{kuryr}");
    let again = rig.run(&["tls", "init", "--dir", &dir.to_string_lossy()]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains(&*dir.to_string_lossy()) && again.err.contains("--dir"), "{again:?}");
    assert_eq!(files(), before);
    // What a killed run left is in nobody's way, and an empty directory may be there.
    let (other, left) = (rig.path("other"), rig.path(".other.new"));
    fs::create_dir(&other).unwrap();
    fs::create_dir(&left).unwrap();
    fs::write(left.join("ca.key"), "half").unwrap();
    let said = rig.run(&["tls", "init", "--dir", "other"]);
    assert!(said.code == Some(0) && other.join("client.key").exists() && !left.exists(), "{said:?}");
    let bad = rig.run(&["tls", "init", "--dir", "third", "--host", "no such höst"]);
    assert!(bad.code == Some(1) && bad.err.lines().count() == 1 && !rig.path("third").exists(), "{bad:?}");
}

#[test]
fn renewed_certificates_are_taken_up_at_sighup_and_broken_ones_are_told() {
    let mut served = Served::new();
    let dir = served.dir();
    let hangup = |running: &Running| {
        let pid = rustix::process::Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    };
    let log = served.rig.path("log");
    let logged = |text: &'static str| {
        let log = log.clone();
        move || fs::read_to_string(&log).unwrap().contains(text)
    };
    let good = fs::read(dir.join("server.pem")).unwrap();
    fs::write(dir.join("server.pem"), "half a certif").unwrap();
    hangup(&served.running);
    served.running.until("it is told", logged("changed certificates are of no use"));
    let client = Identity::of(&dir, "client");
    client.activate(&dir.join("ca.pem"), served.addresses[0]).unwrap();
    fs::write(dir.join("server.pem"), good).unwrap();
    hangup(&served.running);
    served.running.until("it is told", logged("changed certificates are in use"));
    client.activate(&dir.join("ca.pem"), served.addresses[0]).unwrap();
    assert!(!served.running.log().contains("BEGIN"));
}
