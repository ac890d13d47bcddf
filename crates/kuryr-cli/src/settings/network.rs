//! `kuryr.conf` into the settings of the network plugin.

use std::path::PathBuf;
use std::time::Duration;

use docker_plugin::Scope;
use openstack::AuthSettings;
use oslo_config::Loaded;

use super::tcp::{self, Tcp};
use super::{credentials, guest, host, state_dir, text};
use crate::error::Error;

/// What the network plugin is made of.
#[derive(Debug)]
pub(crate) struct NetworkPlugin {
    /// The service's settings.
    pub(crate) service: kuryr::Settings,
    /// Where this host keeps what the service works with.
    pub(crate) host: kuryr::HostPaths,
    /// Who we are to Neutron.
    pub(crate) neutron: AuthSettings,
    /// The journal's directory.
    pub(crate) state_dir: PathBuf,
    /// Listen here too, beside the socket.
    pub(crate) tcp: Option<Tcp>,
    /// What Docker is told.
    pub(crate) face: FaceSettings,
}

/// What Docker is told about the driver.
#[derive(Debug, Clone)]
pub(crate) struct FaceSettings {
    /// `capability_scope`.
    pub(crate) scope: Scope,
    /// `local_default_address_space`.
    pub(crate) local_space: String,
    /// `global_default_address_space`.
    pub(crate) global_space: String,
    /// `requires_mac_address`.
    pub(crate) requires_mac_address: bool,
}

impl NetworkPlugin {
    pub(super) fn read(loaded: &Loaded, place: &str) -> Result<Self, Error> {
        let timeout = loaded.integer("neutron", "vif_plugging_timeout")?.unwrap_or_default();
        let defaults = kuryr::Settings::default();
        let guest = guest::read(loaded, place)?;
        let scope = match text(loaded, "DEFAULT", "capability_scope")?.as_str() {
            "global" => Scope::Global,
            _ => Scope::Local,
        };
        let [local_space, global_space] = spaces(loaded, scope)?;
        let service = kuryr::Settings {
            host: host(loaded)?,
            enable_dhcp: loaded.bool("neutron", "enable_dhcp")?,
            default_subnetpool_v4: text(loaded, "neutron", "default_subnetpool_v4")?,
            default_subnetpool_v6: text(loaded, "neutron", "default_subnetpool_v6")?,
            subnetpool_name_prefix: text(loaded, "DEFAULT", "subnetpool_name_prefix")?,
            veth_dst_prefix: text(loaded, "binding", "veth_dst_prefix")?,
            process_external_connectivity: loaded.bool("DEFAULT", "process_external_connectivity")?,
            vif_plugging_is_fatal: loaded.bool("neutron", "vif_plugging_is_fatal")?,
            // 0 was "for ever"; the service bounds it below Docker's patience.
            vif_plugging_timeout: match u64::try_from(timeout) {
                Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
                _ => defaults.vif_plugging_timeout,
            },
            orphan_interval: match loaded.integer("DEFAULT", "orphan_check_interval")?.map(u64::try_from) {
                Some(Ok(seconds)) if seconds > 0 => Some(Duration::from_secs(seconds)),
                _ => None,
            },
            integration_bridge: text(loaded, "ovs", "integration_bridge")?,
            script_vif_types: loaded.list("binding", "script_vif_types")?.iter().cloned().collect(),
            use_network_project: loaded.bool("neutron", "use_network_project")?,
            guest: guest.clone(),
            global_space: Some(global_space.clone()).filter(|_| scope == Scope::Global),
            ..defaults
        };
        Ok(Self {
            service,
            host: host_paths(loaded)?,
            neutron: credentials::read(loaded, "neutron", place)?,
            state_dir: state_dir(loaded)?,
            tcp: tcp::network(loaded, place)?,
            face: FaceSettings {
                scope,
                local_space,
                global_space,
                // A swarm's manager has no MAC, and the port has one before a node sees it.
                requires_mac_address: scope == Scope::Local
                    && guest::takes_macs(guest.as_ref())
                    && loaded.bool("DEFAULT", "requires_mac_address")?,
            },
        })
    }
}

fn host_paths(loaded: &Loaded) -> Result<kuryr::HostPaths, Error> {
    let path = |group: &str, key: &str| -> Result<PathBuf, Error> {
        Ok(loaded.path(group, key)?.map(PathBuf::from).unwrap_or_default())
    };
    Ok(kuryr::HostPaths {
        ovsdb_socket: path("ovs", "ovsdb_socket")?,
        bindir: path("DEFAULT", "bindir")?,
        ..kuryr::HostPaths::default()
    })
}

/// What both address spaces are called by default.
const NO_SPACE: &str = "no_address_space";

/// Names of the local and the global address space. With local scope they are best equal: Docker then looks for no overlap
/// of a range with this host's. With global scope they tell a manager's request from a node's.
fn spaces(loaded: &Loaded, scope: Scope) -> Result<[String; 2], Error> {
    let local = text(loaded, "DEFAULT", "local_default_address_space")?;
    let global = text(loaded, "DEFAULT", "global_default_address_space")?;
    let named = |space: String, instead: &str| {
        if scope == Scope::Global && space == NO_SPACE { instead.to_owned() } else { space }
    };
    Ok([named(local, "kuryr_local"), named(global, "kuryr_global")])
}

/// What the file asks for and this release does not do.
pub(super) fn unserved(loaded: &Loaded, place: &str) -> Result<Vec<String>, Error> {
    let mut unserved = Vec::new();
    if text(loaded, "DEFAULT", "capability_scope")? == "global" {
        let [local, global] = spaces(loaded, Scope::Global)?;
        if local == global {
            unserved.push(format!(
                "[DEFAULT] local_default_address_space and global_default_address_space are both {local} in {place}: \
                 with capability_scope = global they must differ; leave both out"
            ));
        }
        if guest::read(loaded, place)?.is_some() {
            unserved.push(format!(
                "[DEFAULT] capability_scope = global in {place} is not served inside a virtual machine: leave it at \
                 local and create swarm networks with --config-from"
            ));
        }
    }
    Ok(unserved)
}
