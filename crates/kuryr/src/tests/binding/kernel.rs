//! The drivers on this kernel and a real Open vSwitch, each test in a network namespace of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use host_net::Links;
use os::netns::{NetNs, run_in};

use super::kinds::{ENDPOINT, PORT, port, setup, teardown, validate};
use crate::{Host, HostPaths};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
const OVS: &str = r#"{"binding:vif_type": "ovs"}"#;
pub(super) const HYBRID: &str =
    r#"{"binding:vif_type": "ovs", "binding:vif_details": {"ovs_hybrid_plug": true}}"#;

/// Panics without the right to make a namespace: a skipped test proves nothing.
pub(super) fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce(Links) -> F + Send) {
    let netns = NetNs::new_unshared().expect("these tests need root to make network namespaces");
    run_in(&netns, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Links::open().unwrap()).await });
    })
    .unwrap();
}

/// Both daemons in a directory of their own; they end with it, or with the thread of a killed test.
pub(super) struct Ovs {
    directory: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Ovs {
    pub(super) fn start() -> Self {
        assert!(
            Path::new(SCHEMA).exists(),
            "these tests need Open vSwitch: apt-get install --no-install-recommends openvswitch-switch"
        );
        let mut ovs = Self { directory: tempfile::tempdir().unwrap(), daemons: Vec::new() };
        let (database, socket) = (ovs.path("conf.db"), ovs.path("db.sock"));
        ovs.run("ovsdb-tool", &["create", &database, SCHEMA]);
        ovs.daemon("ovsdb-server", &[&database, &format!("--remote=punix:{socket}")]);
        let begun = Instant::now();
        while !Path::new(&socket).exists() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the database does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        ovs.vsctl("--no-wait init");
        ovs.daemon("ovs-vswitchd", &[&format!("unix:{socket}")]);
        ovs.vsctl("add-br br-int -- set bridge br-int datapath_type=netdev");
        ovs
    }

    pub(super) fn host(&self, links: &Links) -> Host {
        Host::new(
            links.clone(),
            HostPaths { ovsdb_socket: self.path("db.sock").into(), ..HostPaths::default() },
        )
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    pub(super) fn vsctl(&self, arguments: &str) -> String {
        let database = format!("--db=unix:{}", self.path("db.sock"));
        let mut all = vec![database.as_str(), "--timeout=10"];
        all.extend(arguments.split(' '));
        self.run("ovs-vsctl", &all)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(variable, self.directory.path());
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) {
        let mut command = self.command("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program, "-vconsole:off"]).args(arguments);
        command.arg(format!("--unixctl={}", self.path(&format!("{program}.ctl"))));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().unwrap());
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

pub(super) async fn names(links: &Links) -> Vec<String> {
    let mut names: Vec<String> = links.links().await.unwrap().into_iter().map(|link| link.name).collect();
    names.sort();
    names
}

#[test]
fn a_port_appears_in_the_switch_with_its_ids_and_disappears_without_a_trace() {
    in_namespace(|links| async move {
        let ovs = Ovs::start();
        let host = ovs.host(&links);
        let before = names(&links).await;
        let plug = validate(&host, &port(OVS)).await.unwrap();
        for _ in 0..2 {
            setup(&host, &plug).await.unwrap();
        }
        assert_eq!(ovs.vsctl("list-ports br-int"), "tap12345678-9a\n");
        for (key, value) in [
            ("iface-id", PORT),
            ("attached-mac", "fa:16:3e:01:02:03"),
            ("iface-status", "active"),
            ("vm-uuid", ENDPOINT),
            ("owner", "kuryr"),
        ] {
            let found = ovs.vsctl(&format!("get interface tap12345678-9a external_ids:{key}"));
            assert_eq!(found.trim().trim_matches('"'), value, "{key}");
        }
        let far = links.link("t_c12345678-9a").await.unwrap().unwrap();
        assert_eq!((far.mac.unwrap(), far.mtu, far.up), ([0xfa, 0x16, 0x3e, 1, 2, 3], 1450, false));
        let near = links.link("tap12345678-9a").await.unwrap().unwrap();
        assert_eq!((near.mtu, near.up), (1450, true));
        assert!(
            !links.tx_checksum_offload("t_c12345678-9a").await.unwrap(),
            "nobody completes checksums there"
        );
        // No address ever exists on this host.
        let addresses = Command::new("ip").args(["-o", "addr", "show", "scope", "global"]).output().unwrap();
        assert!(addresses.stdout.is_empty(), "{}", String::from_utf8_lossy(&addresses.stdout));
        for _ in 0..2 {
            teardown(&host, &plug).await.unwrap();
        }
        assert_eq!(ovs.vsctl("list-ports br-int"), "");
        assert_eq!(names(&links).await, before);
    });
}

#[test]
fn a_port_of_the_switch_that_lost_our_ids_stays_there() {
    in_namespace(|links| async move {
        let ovs = Ovs::start();
        let host = ovs.host(&links);
        let plug = validate(&host, &port(OVS)).await.unwrap();
        for theirs in [
            "set interface tap12345678-9a external_ids:iface-id=another-port",
            "set interface tap12345678-9a external_ids:owner=nova",
            "remove interface tap12345678-9a external_ids iface-id",
        ] {
            setup(&host, &plug).await.unwrap();
            ovs.vsctl(theirs);
            teardown(&host, &plug).await.unwrap();
            assert_eq!(ovs.vsctl("list-ports br-int"), "tap12345678-9a\n", "{theirs}");
            ovs.vsctl("del-port tap12345678-9a");
        }
    });
}

#[test]
fn a_hybrid_port_goes_through_its_bridge_and_disappears_without_a_trace() {
    in_namespace(|links| async move {
        let ovs = Ovs::start();
        let host = ovs.host(&links);
        let before = names(&links).await;
        let plug = validate(&host, &port(HYBRID)).await.unwrap();
        for _ in 0..2 {
            setup(&host, &plug).await.unwrap();
        }
        assert_eq!(ovs.vsctl("list-ports br-int"), "qvo12345678-9a\n");
        let ids = ovs.vsctl("get interface qvo12345678-9a external_ids");
        assert!(ids.contains(PORT) && ids.contains("vm-uuid") && ids.contains("owner=kuryr"), "{ids}");
        let bridge = links.link("qbr12345678-9a").await.unwrap().unwrap();
        for port in ["tap12345678-9a", "qvb12345678-9a"] {
            let port = links.link(port).await.unwrap().unwrap();
            assert_eq!((port.master, port.mtu, port.up), (Some(bridge.index), 1450, true));
        }
        assert!(bridge.up && links.link("qvo12345678-9a").await.unwrap().unwrap().up);
        for _ in 0..2 {
            teardown(&host, &plug).await.unwrap();
        }
        assert_eq!(ovs.vsctl("list-ports br-int"), "");
        assert_eq!(names(&links).await, before);
    });
}

#[test]
fn with_the_switch_away_nothing_is_made_and_unplugging_finishes_when_it_is_back() {
    in_namespace(|links| async move {
        let ovs = Ovs::start();
        let host = ovs.host(&links);
        let before = names(&links).await;
        let plug = validate(&host, &port(OVS)).await.unwrap();
        setup(&host, &plug).await.unwrap();
        // Of another installation on the same host, as far as the switch knows.
        ovs.vsctl("add-port br-int theirs -- set interface theirs type=internal external_ids:owner=nova");
        let away = PathBuf::from(ovs.path("away.sock"));
        std::fs::rename(ovs.path("db.sock"), &away).unwrap();
        let text = teardown(&host, &plug).await.unwrap_err().to_string();
        assert!(text.contains("Open vSwitch") && !text.contains('\n'), "{text}");
        // What could be done is done.
        assert!(links.link("tap12345678-9a").await.unwrap().is_none());
        assert!(setup(&host, &plug).await.is_err());
        assert!(links.link("tap12345678-9a").await.unwrap().is_none());
        std::fs::rename(&away, ovs.path("db.sock")).unwrap();
        teardown(&host, &plug).await.unwrap();
        assert_eq!(ovs.vsctl("list-ports br-int"), "theirs\n");
        ovs.vsctl("del-port theirs");
        assert_eq!(names(&links).await, before);
    });
}

#[tokio::test]
async fn a_fake_card_names_function_number_and_link() {
    let sysfs = tempfile::tempdir().unwrap();
    let devices = sysfs.path().join("bus/pci/devices");
    let (card, function) = (devices.join("0000:06:00.0"), devices.join("0000:06:10.1"));
    std::fs::create_dir_all(card.join("net/ens1")).unwrap();
    std::fs::create_dir_all(function.join("net/ens1v3")).unwrap();
    std::os::unix::fs::symlink("../0000:06:10.1", card.join("virtfn3")).unwrap();
    std::os::unix::fs::symlink("../0000:06:00.0", function.join("physfn")).unwrap();
    let paths = HostPaths { sysfs: sysfs.path().to_owned(), ..HostPaths::default() };
    let host = Host::new(Links::open().unwrap(), paths);
    let found = host.functions.find("0000:06:10.1").await.unwrap().unwrap();
    assert_eq!((found.physical.as_str(), found.index, found.link.as_deref()), ("ens1", 3, Some("ens1v3")));
    assert_eq!(host.functions.find("0000:06:10.2").await.unwrap(), None);
    let text = host.functions.find("0000:06:00.0").await.unwrap_err().to_string();
    assert!(text.contains("no virtual function"), "{text}");
    // The card exists in the fake tree only, so the kernel is asked and names what it misses.
    let direct = r#"{"binding:vif_type": "hw_veb", "binding:vnic_type": "direct",
        "binding:profile": {"pci_slot": "0000:06:10.1"}}"#;
    let plug = validate(&host, &port(direct)).await.unwrap();
    assert_eq!((plug.host.as_str(), plug.container.as_str()), ("ens1v3", "ens1v3"));
    let text = setup(&host, &plug).await.unwrap_err().to_string();
    assert!(text.contains("ens1") && text.contains("0000:06:10.1"), "{text}");
    std::fs::remove_dir_all(&devices).unwrap();
    teardown(&host, &plug).await.unwrap();
}
