//! The seam between the model and this machine: what makes modelled ports really carry packets and modelled
//! volumes and shares really hold bytes.

use std::net::IpAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use ipnet::IpNet;

/// What went wrong on the machine, one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DataPathError(pub String);

/// Result of a data path operation.
pub type Result<T> = std::result::Result<T, DataPathError>;

/// A network as its data path needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkView {
    /// UUID; the bridge is `brq` and its first 11 characters.
    pub id: String,
    /// MTU in bytes.
    pub mtu: u32,
    /// Gateway addresses with prefix length, put on the bridge.
    pub gateways: Vec<IpNet>,
}

/// A port as its data path needs it. The device is `tap` and the first 11 characters of the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    /// UUID.
    pub id: String,
    /// Its network.
    pub network_id: String,
    /// Hardware address, as text.
    pub mac: String,
    /// Its addresses; with `pairs` these are all it may use as source.
    pub addresses: Vec<IpAddr>,
    /// Hardware addresses, as text, and ranges it may use as source besides its own.
    pub pairs: Vec<(String, IpNet)>,
    /// `bridge`: the driver puts the device into the bridge. `tap`: the data path does, as an agent would.
    pub vif_type: String,
    /// Administratively up.
    pub admin_state_up: bool,
    /// Off: everything passes.
    pub port_security: bool,
    /// What may come in and go out, remote groups already resolved to addresses.
    pub rules: Vec<RuleView>,
}

/// One security group rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView {
    /// Towards the port (otherwise away from it).
    pub ingress: bool,
    /// IPv6 (otherwise IPv4).
    pub ipv6: bool,
    /// Protocol name or number; `None`: any.
    pub protocol: Option<String>,
    /// First and last port, or ICMP type and code.
    pub ports: Option<(u16, u16)>,
    /// Peers; `None`: any. An empty list matches nobody (a remote group without members).
    pub peers: Option<Vec<IpNet>>,
}

/// Networks and ports on this machine.
///
/// A network is up only while at least one of its ports is bound, as with the agents of a real cloud: the first
/// binding brings it up before the answer to the call that binds, the end of the last binding takes it down. Hence a
/// network nobody uses puts no gateway address, and no route, on this machine, where the choice of a free range for
/// a new Docker network would stumble over it. A driver that is told to plug into a bridge finds it, but may make it
/// as well; [`NetworkDataPath::network_up`] takes over a bridge of that name that nobody marked as theirs. Filtering
/// of a port is in place before the same answer, hence before any driver can plug it.
#[async_trait]
pub trait NetworkDataPath: Send + Sync + std::fmt::Debug {
    /// Makes the network's bridge match the view; repeated calls are fine. Comes before the first port of the
    /// network.
    async fn network_up(&self, network: &NetworkView) -> Result<()>;
    /// Removes the network's bridge; an absent one is removed. Devices still in it stay,
    /// out of any bridge.
    async fn network_down(&self, id: &str) -> Result<()>;
    /// Makes filtering for the port match the view *before* returning, whether or not the device exists yet, so
    /// that its first packet is already filtered.
    async fn port_up(&self, port: &PortView) -> Result<()>;
    /// The same for several ports, faster than one by one. After an error none or only some are in place.
    async fn ports_up(&self, ports: &[PortView]) -> Result<()> {
        for port in ports {
            self.port_up(port).await?;
        }
        Ok(())
    }
    /// Removes everything of the port but the device, which is its driver's.
    async fn port_down(&self, id: &str) -> Result<()>;
    /// Hears that every network and port that should be here has been told: networks an earlier instance left
    /// behind may go.
    async fn all_told(&self) -> Result<()> {
        Ok(())
    }
    /// Receives `(port id prefix of 11 characters, up)` whenever a `tap...` device is set up, as an agent
    /// looks at it: whether somebody listens at its other end does not matter; `false` when it is set down or goes.
    fn link_events(&self) -> tokio::sync::broadcast::Receiver<(String, bool)>;
    /// The port id prefixes of all `tap...` devices that are set up now, for whoever missed events or was not there yet; `None`: cannot
    /// say.
    async fn links_up(&self) -> Option<std::collections::BTreeSet<String>> {
        None
    }
}

/// Volumes on this machine.
#[async_trait]
pub trait VolumeDataPath: Send + Sync + std::fmt::Debug {
    /// Makes the backing file, `size` GiB of holes. An existing one is an error.
    async fn create(&self, id: &str, size: u64) -> Result<()>;
    /// Copies the blocks of one volume or snapshot to a new one.
    async fn clone_from(&self, id: &str, size: u64, source: &str) -> Result<()>;
    /// Removes the backing file; an absent one is removed.
    async fn delete(&self, id: &str) -> Result<()>;
    /// Exposes it as a block device and returns its path; a repeated call returns the same.
    async fn export(&self, id: &str, read_only: bool) -> Result<PathBuf>;
    /// Takes the block device away; an absent one is away.
    async fn unexport(&self, id: &str) -> Result<()>;
    /// Grows the backing file, and the block device if exported.
    async fn extend(&self, id: &str, size: u64) -> Result<()>;
}

/// A share as its export needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareView {
    /// UUID.
    pub id: String,
    /// `NFS`, `GLUSTERFS`, ...
    pub protocol: String,
    /// Size in GiB.
    pub size: u64,
}

/// Who may use a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitView {
    /// `ip`, `user`, `cert` or `cephx`.
    pub access_type: String,
    /// Address or network, user, common name or Ceph id.
    pub access_to: String,
    /// Reading only.
    pub read_only: bool,
}

/// Shares on this machine. Those of protocols it does not serve are modelled only: they have export paths that nobody
/// answers at.
#[async_trait]
pub trait ShareExport: Send + Sync + std::fmt::Debug {
    /// Whether it makes shares of this protocol.
    fn serves(&self, protocol: &str) -> bool;
    /// Whether its shares let somebody in by rules of this type; `None`: as usual for the protocol.
    fn takes(&self, _access_type: &str) -> Option<bool> {
        None
    }
    /// Makes the share, empty or with what a snapshot holds, and tells the paths it is mounted from, the best one first.
    /// Nobody may use it yet. An existing one is an error.
    async fn create(&self, share: &ShareView, snapshot: Option<&str>) -> Result<Vec<String>>;
    /// Removes the share and all it holds; an absent one is removed.
    async fn delete(&self, share: &ShareView) -> Result<()>;
    /// Lets it hold `share.size` GiB.
    async fn extend(&self, share: &ShareView) -> Result<()>;
    /// Makes exactly these the users of the share before returning; repeated calls are fine.
    async fn permit(&self, share: &ShareView, permits: &[PermitView]) -> Result<()>;
    /// Keeps what the share holds now under the id of a snapshot.
    async fn snapshot(&self, share: &ShareView, snapshot: &str) -> Result<()>;
    /// Removes a snapshot; an absent one is removed.
    async fn delete_snapshot(&self, share: &ShareView, snapshot: &str) -> Result<()>;
    /// Exports it from another address from now on, with new paths; what is mounted works on. An error where it cannot be.
    async fn relocate(&self, share: &ShareView, _host: &str) -> Result<Vec<String>> {
        Err(DataPathError(format!(
            "share {} is really exported from where it is; it cannot be moved",
            share.id
        )))
    }
}
