//! The layer of configuration, databases and users, made in a private host over the packages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use debian_root::say;
use private_host::{PrivateHost, Root, Settings};

use crate::layer::remove;
use crate::openstack::client::Client;
use crate::openstack::services::{EPMD, KEYSTONE, MARIADB, MEMCACHED, NEUTRON_API, RABBIT, Services};
use crate::openstack::{HOST, PASSWORD, identity, layout};

/// To be raised when the steps below change in what they leave.
const REVISION: &str = "2";

/// A file of the configuration: where it goes and what it holds.
macro_rules! file {
    ($path:literal, $name:literal) => {
        ($path, include_str!(concat!("../../../openstack/", $name)))
    };
}

const FILES: [(&str, &str); 12] = [
    file!("etc/keystone/keystone.conf", "keystone.conf"),
    file!("etc/keystone/lab-uwsgi.ini", "keystone-uwsgi.ini"),
    file!("etc/neutron/neutron.conf", "neutron.conf"),
    file!("etc/neutron/lab-uwsgi.ini", "neutron-api-uwsgi.ini"),
    file!("etc/neutron/plugins/ml2/ml2_conf.ini", "ml2_conf.ini"),
    file!("etc/neutron/plugins/ml2/openvswitch_agent.ini", "openvswitch_agent.ini"),
    file!("etc/neutron/dhcp_agent.ini", "dhcp_agent.ini"),
    file!("etc/mysql/mariadb.conf.d/99-lab.cnf", "mariadb.cnf"),
    file!("etc/rabbitmq/rabbitmq-env.conf", "rabbitmq-env.conf"),
    file!("etc/rabbitmq/rabbitmq.conf", "rabbitmq.conf"),
    file!("etc/openstack/clouds.yaml", "clouds.yaml"),
    file!("etc/hosts", "hosts"),
];

/// Everything the layer is made from, the layers below apart.
pub(super) fn inputs() -> String {
    let files: Vec<String> = FILES.iter().map(|(path, text)| format!("{path}\n{text}")).collect();
    format!("{REVISION} {HOST} {PASSWORD} {:?} {}", identity::bootstrap(), files.join("\0"))
}

/// Fills the directory.
pub(super) fn make(below: &[PathBuf], layer: &Path) -> Result<()> {
    let workshop = layout::workshop();
    remove(&workshop)?;
    let settings = Settings {
        name: HOST.into(),
        dir: workshop.clone(),
        root: Root::Layers(below.to_vec()),
        share: Vec::new(),
    };
    let mut host = PrivateHost::start(&settings)?;
    fill(&host)?;
    host.stop();
    let upper = workshop.join("upper");
    // Where the private host binds its engine's directory.
    remove(&upper.join(workshop.strip_prefix("/").unwrap_or(&workshop)))?;
    fs::rename(&upper, layer).with_context(|| format!("rename {}", upper.display()))?;
    remove(&workshop)
}

fn fill(host: &PrivateHost) -> Result<()> {
    let root = PathBuf::from(format!("/proc/{}/root", host.pid()));
    for (path, text) in FILES {
        write(&root.join(path), text)?;
    }
    let mut services = Services::new(host, &layout::logs())?;
    let mut clock = Instant::now();
    let mut step = |what: &str| {
        say(&format!("  {:>5.1} s  {what}", clock.elapsed().as_secs_f32()));
        clock = Instant::now();
    };
    let long = Duration::from_secs(120);
    services.inside(&[
        "mkdir",
        "--parents",
        "/var/lib/openvswitch",
        "/var/log/rabbitmq",
        "/var/lib/neutron/lock",
    ])?;
    services.inside(&["chown", "rabbitmq:rabbitmq", "/var/log/rabbitmq"])?;
    let schema = "/usr/share/openvswitch/vswitch.ovsschema";
    services.inside(&["ovsdb-tool", "create", "/var/lib/openvswitch/conf.db", schema])?;
    services.start(&MEMCACHED)?;
    services.start(&EPMD)?;
    services.start(&RABBIT)?;
    services.inside(&[
        "mariadb-install-db",
        "--user=mysql",
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
    ])?;
    services.start(&MARIADB)?;
    services.wait(&MARIADB, long)?;
    for name in ["keystone", "neutron"] {
        let grant = format!(
            "CREATE DATABASE {name}; GRANT ALL ON {name}.* TO '{name}'@'localhost' IDENTIFIED BY '{PASSWORD}'"
        );
        services.inside(&["mariadb", "--execute", &grant])?;
    }
    step("databases made");
    services.inside(&["keystone-manage", "db_sync"])?;
    for what in ["fernet_setup", "credential_setup"] {
        services.inside(&["keystone-manage", what, "--keystone-user=root", "--keystone-group=root"])?;
    }
    let bootstrap = identity::bootstrap();
    let mut command = vec!["keystone-manage", "bootstrap"];
    command.extend(bootstrap.iter().map(String::as_str));
    services.inside(&command)?;
    services.start(&KEYSTONE)?;
    step("Keystone's tables and first administrator made");
    services.inside(&[
        "neutron-db-manage",
        "--config-file=/etc/neutron/neutron.conf",
        "--config-file=/etc/neutron/plugins/ml2/ml2_conf.ini",
        "upgrade",
        "heads",
    ])?;
    step("Neutron's tables made");
    services.wait(&KEYSTONE, long)?;
    let admin = Client::new(services.netns(), "admin", "admin")?;
    identity::people(&admin)?;
    step("users made");
    services.wait(&RABBIT, long)?;
    services.start(&NEUTRON_API)?;
    services.wait(&NEUTRON_API, long)?;
    // A new token: the old one knows neither Neutron's endpoint nor the new roles.
    identity::pools(&Client::new(services.netns(), "admin", "admin")?)?;
    step("subnet pools made");
    // In order: what lies on the disk is what the next start begins with.
    for service in [&NEUTRON_API, &KEYSTONE, &RABBIT, &EPMD, &MEMCACHED, &MARIADB] {
        services.stop(service);
    }
    services.inside(&["sync"])?;
    step("services ended");
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    // A new file: the package's own may belong to a user who must not own ours.
    remove(path)?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("set the mode of {}", path.display()))
}
