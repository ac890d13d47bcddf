//! A real ovsdb-server and ovs-vswitchd with the userspace datapath, in a network namespace and a run directory of
//! their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use host_net::Links;
use host_net::ovs::OpenVswitch;
use os::netns::{NetNs, run_in};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Runs a test with a switch that has an empty bridge `br-int`. Panics without the package or the right to make
/// namespaces: a skipped test proves nothing.
pub(crate) fn with_switch<F: Future<Output = ()>>(test: impl FnOnce(Switch, Links) -> F + Send) {
    in_namespace(|links| async move {
        let switch = Switch::start();
        switch.vsctl("add-br br-int -- set bridge br-int datapath_type=netdev");
        test(switch, links).await;
    });
}

/// Runs a test in a fresh network namespace.
pub(crate) fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce(Links) -> F + Send) {
    let netns = NetNs::new_unshared().expect("these tests need root to make network namespaces");
    run_in(&netns, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Links::open().unwrap()).await });
    })
    .unwrap();
}

/// Both daemons; they end with it, or with the thread of a test that is killed.
pub(crate) struct Switch {
    directory: tempfile::TempDir,
    database: Option<Child>,
    switch: Option<Child>,
}

impl Switch {
    fn start() -> Self {
        assert!(
            Path::new(SCHEMA).exists() && Path::new("/usr/sbin/ovs-vswitchd").exists(),
            "these tests need Open vSwitch: apt-get install --no-install-recommends openvswitch-switch"
        );
        let directory = tempfile::tempdir().unwrap();
        let mut made = Self { directory, database: None, switch: None };
        made.run("ovsdb-tool", &["create", &made.path("conf.db"), SCHEMA]);
        made.start_database();
        made.vsctl("--no-wait init");
        made.start_switch();
        made
    }

    pub(crate) fn start_database(&mut self) {
        let mut command = self.daemon("ovsdb-server");
        command.arg(self.path("conf.db")).arg(format!("--remote=punix:{}", self.path("db.sock")));
        self.database = Some(command.spawn().unwrap());
        self.until("the database listens", || self.socket().exists());
    }

    pub(crate) fn start_switch(&mut self) {
        let mut command = self.daemon("ovs-vswitchd");
        command.arg(format!("unix:{}", self.path("db.sock")));
        self.switch = Some(command.spawn().unwrap());
    }

    pub(crate) fn stop_database(&mut self) {
        end(self.database.take());
        // As the server itself does when it ends in order.
        let _ = std::fs::remove_file(self.socket());
    }

    pub(crate) fn stop_switch(&mut self) {
        end(self.switch.take());
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("db.sock").into()
    }

    pub(crate) fn client(&self) -> OpenVswitch {
        OpenVswitch::new(self.socket())
    }

    /// What `ovs-vsctl` prints; the arguments are separated by spaces.
    pub(crate) fn vsctl(&self, arguments: &str) -> String {
        let database = format!("--db=unix:{}", self.path("db.sock"));
        let mut all = vec![database.as_str(), "--timeout=10"];
        all.extend(arguments.split(' '));
        self.run("ovs-vsctl", &all)
    }

    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn daemon(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program, "-vconsole:off"]);
        command.arg(format!("--unixctl={}", self.path(&format!("{program}.ctl"))));
        command.arg(format!("--log-file={}", self.path(&format!("{program}.log"))));
        self.at_home(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        let output = self.at_home(&mut command).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn at_home<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
            command.env(variable, self.directory.path());
        }
        command
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        end(self.switch.take());
        end(self.database.take());
    }
}

fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What `ip` prints in the namespace of the calling thread.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("these tests need iproute2");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
