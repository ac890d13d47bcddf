//! Ports of Open vSwitch, configured in its database (RFC 7047 for the protocol, ovs-vswitchd.conf.db(5) for the
//! tables).
//!
//! Ports made here carry `owner=kuryr` in the `external_ids` of their interface, the mark the peer's helper scripts
//! use too; a port without it is never changed and never deleted.

mod attempts;
mod connection;
mod failure;
mod message;
mod ports;
mod row;
mod transaction;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::name::checked;
use crate::socket::Subject;
pub use crate::{Error, Result};
use failure::Failure;

/// Where ovsdb-server listens, unless its packager or operator moved it.
pub const DEFAULT_SOCKET: &str = "/run/openvswitch/db.sock";
/// The name and the value in `external_ids` that mark an interface as ours.
pub(crate) const OWNER: (&str, &str) = ("owner", "kuryr");
/// How long one operation may take, ovs-vswitchd's part included.
const DEADLINE: Duration = Duration::from_secs(5);

/// A wanted port of a bridge: one interface, of the same name, which is a link of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// The bridge; it must exist.
    pub bridge: String,
    /// Name of link, interface and port.
    pub name: String,
    /// `external_ids` of the interface, such as `iface-id`; others it has stay. `owner=kuryr` is always added.
    pub external_ids: BTreeMap<String, String>,
}

/// A port found in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OvsPort {
    /// The bridge it is in.
    pub bridge: String,
    /// Its name.
    pub name: String,
    /// `external_ids` of its interface.
    pub external_ids: BTreeMap<String, String>,
    /// Whether a link of this name exists in the caller's network namespace.
    pub exists: bool,
}

/// The Open vSwitch of this host. Each operation connects anew, so a restarted server is no event; a server that
/// restarts during one is waited for, as far as the deadline allows.
///
/// Links are looked for in the network namespace of the thread that polls the call.
#[derive(Debug, Clone)]
pub struct OpenVswitch {
    socket: PathBuf,
    deadline: Duration,
}

impl Default for OpenVswitch {
    fn default() -> Self {
        Self::new(DEFAULT_SOCKET)
    }
}

impl OpenVswitch {
    /// The one whose database listens at this Unix socket. Does nothing yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), deadline: DEADLINE }
    }

    /// Another deadline than 5 s for each operation.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Where the database is looked for.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Puts the link into the bridge and waits until ovs-vswitchd forwards its frames. A port of ours that is there
    /// already gets the external ids; if its link was made anew since, or nobody knows, ovs-vswitchd is made to look
    /// again.
    ///
    /// When this fails after the database took the port, [`Self::delete_port`] takes it away.
    ///
    /// # Errors
    /// [`Error::Absent`] without such a link, [`Error::NoBridge`], [`Error::OvsForeign`] when the name is taken by a
    /// port in another bridge, by one without our mark or by one with another `iface-id`, [`Error::OvsPort`] when
    /// ovs-vswitchd cannot use the link, [`Error::OvsNotProcessed`] when ovs-vswitchd does not run, and those of the
    /// database: [`Error::OvsAbsent`], [`Error::OvsNoAnswer`], [`Error::OvsRefused`], [`Error::OvsMalformed`].
    pub async fn ensure_port(&self, port: &PortSpec) -> Result<()> {
        let on = Subject::new("adding port", checked(&port.name)?);
        self.repeat(on, |deadline| self.ensure_once(port, deadline)).await
    }

    /// Takes a port of ours out of its bridge; an absent one is gone. Does not wait for ovs-vswitchd.
    ///
    /// # Errors
    /// [`Error::OvsForeign`] when its interface does not carry `owner=kuryr`; it is left alone. Those of the
    /// database as for [`Self::ensure_port`].
    pub async fn delete_port(&self, name: &str) -> Result<()> {
        let on = Subject::new("deleting port", checked(name)?);
        self.repeat(on, |_| self.delete_once(name, None)).await
    }

    /// As [`Self::delete_port`], but only the port of this Neutron port: one with another `iface-id`, or with none, is
    /// refused.
    ///
    /// # Errors
    /// As [`Self::delete_port`].
    pub async fn delete_port_of(&self, name: &str, iface_id: &str) -> Result<()> {
        let on = Subject::new("deleting port", checked(name)?);
        self.repeat(on, |_| self.delete_once(name, Some(iface_id))).await
    }

    /// All ports with an interface whose `external_ids` name this owner, of one moment.
    ///
    /// # Errors
    /// Those of the database as for [`Self::ensure_port`].
    pub async fn ports_of(&self, owner: &str) -> Result<Vec<OvsPort>> {
        self.repeat(Subject::new("listing ports of", owner), |_| self.list_once(owner)).await
    }

    /// How a bridge forwards: `netdev` in ovs-vswitchd itself, `system` in the kernel. `None`: no such bridge.
    ///
    /// # Errors
    /// Those of the database as for [`Self::ensure_port`].
    pub async fn datapath_type(&self, bridge: &str) -> Result<Option<String>> {
        self.repeat(Subject::new("reading bridge", bridge), |_| self.datapath_once(bridge)).await
    }

    async fn datapath_once(&self, bridge: &str) -> std::result::Result<Option<String>, Failure> {
        let query = transaction::select("Bridge", transaction::named(bridge), &["datapath_type"]);
        let results = self.connect().await?.transact(vec![query]).await?;
        let Some(found) = row::rows(results.first())?.first() else { return Ok(None) };
        // Nothing written stands for the default (ovs-vswitchd.conf.db(5), Bridge).
        let datapath = row::text(found, "datapath_type")?;
        Ok(Some(if datapath.is_empty() { "system" } else { datapath }.to_owned()))
    }

    async fn list_once(&self, owner: &str) -> std::result::Result<Vec<OvsPort>, Failure> {
        let queries = vec![
            transaction::select("Interface", transaction::marked(owner), &["_uuid", "external_ids"]),
            transaction::select("Port", json!([]), &["_uuid", "name", "interfaces"]),
            transaction::select("Bridge", json!([]), &["name", "ports"]),
        ];
        let results = self.connect().await?.transact(queries).await?;
        ports::joined(row::rows(results.first())?, row::rows(results.get(1))?, row::rows(results.get(2))?)
    }
}
