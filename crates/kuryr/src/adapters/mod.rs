//! The seams, filled by the real edges.

mod functions;
mod links;
mod neutron;
mod scripts;
mod switch;

use std::path::PathBuf;
use std::sync::Arc;

use crate::Host;

/// Where this host keeps what the service works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPaths {
    /// Unix socket of Open vSwitch's database (`[ovs] ovsdb_socket`).
    pub ovsdb_socket: PathBuf,
    /// A site's scripts (`[DEFAULT] bindir`).
    pub bindir: PathBuf,
    /// The kernel's view of devices.
    pub sysfs: PathBuf,
}

impl Default for HostPaths {
    fn default() -> Self {
        Self {
            ovsdb_socket: PathBuf::from("/run/openvswitch/db.sock"),
            bindir: PathBuf::from("/usr/libexec/kuryr"),
            sysfs: PathBuf::from("/sys"),
        }
    }
}

impl Host {
    /// This machine. Opens nothing: Open vSwitch and scripts may come later, or never.
    #[must_use]
    pub fn new(links: host_net::Links, paths: HostPaths) -> Self {
        Self {
            switch: Arc::new(host_net::ovs::OpenVswitch::new(paths.ovsdb_socket)),
            functions: Arc::new(functions::Functions::new(links.clone(), paths.sysfs)),
            hooks: Arc::new(scripts::Scripts::new(paths.bindir)),
            links: Arc::new(links),
        }
    }
}
