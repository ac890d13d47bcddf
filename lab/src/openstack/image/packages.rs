//! The layer of packages.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::openstack::layout;
use crate::packages::Packages;

/// To be raised when the installation changes in what it leaves.
const REVISION: &str = "1";

const NAMES: [&str; 14] = [
    "keystone",
    "neutron-api",
    "neutron-rpc-server",
    "neutron-openvswitch-agent",
    "neutron-dhcp-agent",
    "openvswitch-switch",
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "uwsgi-plugin-python3",
    "python3-openstackclient",
    "docker-cli",
    "iproute2",
    "ethtool",
];

fn packages() -> Packages {
    Packages {
        names: &NAMES,
        // The databases are made anew with our configuration.
        forget: &["var/lib/mysql", "var/lib/rabbitmq/mnesia"],
        workshop: layout::workshop(),
        logs: layout::logs(),
    }
}

/// Everything the layer is made from.
pub(super) fn inputs() -> String {
    packages().inputs(REVISION)
}

/// Fills the directory.
pub(super) fn make(base: &Path, layer: &Path) -> Result<()> {
    packages().make(&["openstack", "install-packages"], &[base.to_owned()], layer)
}

/// The part of the packages' installation that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn install_packages(layer: &Path, below: &[PathBuf]) -> Result<()> {
    packages().install(layer, below)
}
