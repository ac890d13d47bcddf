//! The services: how each is started inside the host, and when it is ready.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use os::netns::{NetNs, run_in};
use private_host::{HostProcess, PrivateHost};

use super::layout;

/// A service: its name, the user it runs as (empty: root), its command, and what shows that it is ready.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    user: &'static str,
    command: &'static [&'static str],
    ready: Ready,
}

#[derive(Debug)]
enum Ready {
    /// A unix socket accepts.
    Unix(&'static str),
    /// A port on the loopback interface accepts.
    Tcp(u16),
    /// What depends on it finds out by itself.
    Unknown,
}

pub(crate) const MARIADB: Service = Service {
    name: "mariadb",
    user: "",
    command: &["mariadbd", "--user=mysql"],
    ready: Ready::Unix("/run/mysqld/mysqld.sock"),
};
pub(crate) const MEMCACHED: Service = Service {
    name: "memcached",
    user: "",
    command: &["memcached", "-u", "nobody", "-l", "127.0.0.1", "-m", "32", "-t", "1"],
    ready: Ready::Tcp(11211),
};
pub(crate) const EPMD: Service = Service {
    name: "epmd",
    user: "rabbitmq",
    command: &["epmd", "-address", "127.0.0.1"],
    ready: Ready::Tcp(4369),
};
pub(crate) const RABBIT: Service = Service {
    name: "rabbit",
    user: "rabbitmq",
    command: &["/usr/lib/rabbitmq/bin/rabbitmq-server"],
    ready: Ready::Tcp(5672),
};
pub(crate) const KEYSTONE: Service = Service {
    name: "keystone",
    user: "",
    command: &["uwsgi", "--ini", "/etc/keystone/lab-uwsgi.ini"],
    ready: Ready::Tcp(5001),
};
pub(crate) const NEUTRON_API: Service = Service {
    name: "neutron-api",
    user: "",
    command: &["uwsgi", "--ini", "/etc/neutron/lab-uwsgi.ini"],
    ready: Ready::Tcp(9696),
};
pub(crate) const NEUTRON_RPC: Service = Service {
    name: "neutron-rpc",
    user: "",
    command: &[
        "neutron-rpc-server",
        "--config-file=/etc/neutron/neutron.conf",
        "--config-file=/etc/neutron/plugins/ml2/ml2_conf.ini",
    ],
    ready: Ready::Unknown,
};
pub(crate) const OVSDB: Service = Service {
    name: "ovsdb",
    user: "",
    command: &[
        "ovsdb-server",
        "/var/lib/openvswitch/conf.db",
        "--remote=punix:/run/openvswitch/db.sock",
        "--pidfile=/run/openvswitch/ovsdb-server.pid",
        "-vconsole:warn",
    ],
    ready: Ready::Unix("/run/openvswitch/db.sock"),
};
pub(crate) const VSWITCHD: Service = Service {
    name: "vswitchd",
    user: "",
    command: &[
        "ovs-vswitchd",
        "unix:/run/openvswitch/db.sock",
        "--pidfile=/run/openvswitch/ovs-vswitchd.pid",
        "-vconsole:info",
    ],
    ready: Ready::Unknown,
};
pub(crate) const OVS_AGENT: Service = Service {
    name: "ovs-agent",
    user: "",
    command: &[
        "neutron-openvswitch-agent",
        "--config-file=/etc/neutron/neutron.conf",
        "--config-file=/etc/neutron/plugins/ml2/openvswitch_agent.ini",
    ],
    ready: Ready::Unknown,
};
pub(crate) const DHCP_AGENT: Service = Service {
    name: "dhcp-agent",
    user: "",
    command: &[
        "neutron-dhcp-agent",
        "--config-file=/etc/neutron/neutron.conf",
        "--config-file=/etc/neutron/dhcp_agent.ini",
    ],
    ready: Ready::Unknown,
};

/// Directories in `/run`, which is empty when a host starts, and their owners.
const RUN: [(&str, &str); 3] = [("/run/mysqld", "mysql"), ("/run/openvswitch", ""), ("/run/netns", "")];

/// The services of one host. They end with it.
#[derive(Debug)]
pub(crate) struct Services<'a> {
    host: &'a PrivateHost,
    netns: NetNs,
    logs: PathBuf,
    running: BTreeMap<&'static str, HostProcess>,
}

impl<'a> Services<'a> {
    /// None yet.
    pub(crate) fn new(host: &'a PrivateHost, logs: &Path) -> Result<Self> {
        for dir in [logs, &layout::pids()] {
            fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        }
        let netns = NetNs::of_pid(host.pid()).context("open the host's network namespace")?;
        let services = Self { host, netns, logs: logs.to_owned(), running: BTreeMap::new() };
        for (dir, owner) in RUN {
            services.inside(&["mkdir", "--parents", dir])?;
            if !owner.is_empty() {
                services.inside(&["chown", owner, dir])?;
            }
        }
        Ok(services)
    }

    /// The host's network namespace.
    pub(crate) fn netns(&self) -> &NetNs {
        &self.netns
    }

    /// Runs a command inside that must succeed; what it prints.
    pub(crate) fn inside(&self, command: &[&str]) -> Result<String> {
        let output = self.host.command("env").args(clean("", command)).output();
        let output = output.with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            // Python tells the cause last.
            let tail: Vec<&str> = stderr.lines().rev().take(5).collect();
            bail!(
                "`{}` failed: {}",
                command.join(" "),
                tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a service without waiting for it.
    pub(crate) fn start(&mut self, service: &Service) -> Result<()> {
        let log = self.logs.join(format!("{}.log", service.name));
        let args = clean(service.user, service.command);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let process = self.host.spawn("env", &args, &log)?;
        let pid = process
            .pid()
            .with_context(|| format!("{} ended at once; see {}", service.name, log.display()))?;
        fs::write(layout::pids().join(service.name), format!("{pid}\n")).context("write a pid file")?;
        self.running.insert(service.name, process);
        Ok(())
    }

    /// Waits until a service is ready.
    pub(crate) fn wait(&mut self, service: &Service, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let log = self.logs.join(format!("{}.log", service.name));
        while !self.is_ready(service) {
            let alive = self.running.get_mut(service.name).is_some_and(HostProcess::is_running);
            if !alive {
                bail!("{} ended; see {}", service.name, log.display());
            }
            if Instant::now() > end {
                bail!("{} was not ready within {} s; see {}", service.name, limit.as_secs(), log.display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn is_ready(&self, service: &Service) -> bool {
        match service.ready {
            Ready::Unix(path) => UnixStream::connect(format!("/proc/{}/root{path}", self.host.pid())).is_ok(),
            Ready::Tcp(port) => {
                let address = SocketAddr::from(([127, 0, 0, 1], port));
                let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
                run_in(&self.netns, connect).unwrap_or(false)
            }
            Ready::Unknown => true,
        }
    }

    /// Ends a service in order.
    pub(crate) fn stop(&mut self, service: &Service) {
        if let Some(process) = self.running.remove(service.name) {
            process.stop(Duration::from_secs(30));
        }
    }

    /// Names of those that have ended by themselves.
    pub(crate) fn ended(&mut self) -> Vec<&'static str> {
        self.running.iter_mut().filter_map(|(name, p)| (!p.is_running()).then_some(*name)).collect()
    }
}

/// Arguments of `env` that run a command with nothing of our own environment.
pub(crate) fn clean(user: &str, command: &[&str]) -> Vec<String> {
    let home = if user.is_empty() { "HOME=/root".to_owned() } else { format!("HOME=/var/lib/{user}") };
    let mut args = vec!["--ignore-environment".to_owned(), home];
    args.extend(
        [
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C.UTF-8",
            "OS_CLIENT_CONFIG_FILE=/etc/openstack/clouds.yaml",
        ]
        .map(str::to_owned),
    );
    if !user.is_empty() {
        args.extend(["setpriv", "--reuid", user, "--regid", user, "--init-groups"].map(str::to_owned));
    }
    args.extend(command.iter().map(|&word| word.to_owned()));
    args
}
