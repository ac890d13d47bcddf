//! Linux bridges for networks, packet filters for ports.
//!
//! One nftables table of the bridge family per cloud instance holds everything. A port's filter is keyed by the name
//! of its device and exists before the device does, so that its first packet is filtered.
//!
//! Networks of one namespace share its route table. Two of them with the same range are two wires whose containers
//! never meet, but only one at a time has a gateway that answers: the host's own packets into the range, replies of
//! the gateway included, leave by the bridge that came first; when it goes, the other takes over. With strict reverse
//! path filtering the second network's gateway is not even found by ARP. Routing rules do not help, since a reply is
//! the host's own packet and `iif` in a rule does not see where the request came from; marks on packets would need
//! `fwmark_reflect` and `tcp_fwmark_accept` for the whole host and still leave UDP out; a VRF per bridge would hide
//! the host's services from containers unless `*_l3mdev_accept` were set for the whole host. All three turn switches
//! that are the operator's.

mod names;
mod nft;
mod port_rules;
mod protocol;
mod state;
mod table;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use host_net::{LinkInfo, Links};
use tokio::sync::{Mutex, broadcast};

use crate::datapath::{DataPathError, NetworkDataPath, NetworkView, PortView, Result};
use state::{State, is_ours};

/// Events a slow listener may be behind.
const EVENTS: usize = 1024;

/// The data path of networks on this machine.
#[derive(Debug)]
pub struct Bridges {
    shared: Arc<Shared>,
    watcher: tokio::task::AbortHandle,
}

/// What calls and the watcher of links share.
#[derive(Debug)]
struct Shared {
    links: Links,
    /// Name of the table and mark of our bridges.
    table: String,
    /// Held over each change, so that changes do not overtake each other.
    state: Mutex<State>,
    events: broadcast::Sender<(String, bool)>,
}

impl Bridges {
    /// Starts in the network namespace of `links`, with a filter that knows no port. What a killed instance with the
    /// same `suffix` left is removed: its filter, and those of its bridges that have no ports any more. The ports of
    /// the others are shut out until [`NetworkDataPath::port_up`] tells their rules.
    ///
    /// # Errors
    /// A `suffix` other than 1 to 32 letters, digits, `-` and `_`; what the kernel refuses, the missing right to
    /// change links among others.
    pub async fn open(links: Links, suffix: &str) -> Result<Arc<Self>> {
        let fits = (1..=32).contains(&suffix.len());
        if !fits || !suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(DataPathError(format!(
                "{suffix:?} cannot tell this cloud's bridges from another's; use 1 to 32 letters and digits"
            )));
        }
        let table = format!("kuryr-devcloud-{suffix}");
        let state = State::inherit(&links.links().await.map_err(failed)?, &table);
        // One transaction, so that ports of a killed instance go from its filter to being shut out.
        nft::apply(links.netns(), &(table::create(&table) + &state.shut_out(&table))).await?;
        if bridged_packets_meet_host_rules(&links) {
            tracing::info!(
                "bridged packets also pass this host's iptables FORWARD rules (net.bridge.bridge-nf-call-iptables is \
                 1); if containers on one network cannot talk, set it to 0 or accept them there"
            );
        }
        let (events, _) = broadcast::channel(EVENTS);
        let shared = Arc::new(Shared { links, table, state: Mutex::new(state), events });
        shared.remove_bridges(|links, bridge| !has_ports(links, bridge)).await?;
        let watcher = watch::start(Arc::clone(&shared))?;
        Ok(Arc::new(Self { shared, watcher }))
    }

    /// Keeps bridged packets away from the iptables, ip6tables and arptables rules of the namespace, which would
    /// otherwise judge them too (Docker's drop what they do not know). For a namespace of our own: the switch
    /// concerns all bridges in it. A kernel without it needs none.
    ///
    /// # Errors
    /// What writing the three switches answers, `/proc/sys` being read-only for instance.
    pub fn bypass_host_rules(&self) -> Result<()> {
        let write = || {
            for switch in ["iptables", "ip6tables", "arptables"] {
                let path = format!("/proc/sys/net/bridge/bridge-nf-call-{switch}");
                match std::fs::write(&path, "0") {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(DataPathError(format!(
                            "cannot write {path}: {error}; set it to 0 by hand"
                        )));
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        os::netns::run_in(self.shared.links.netns(), write).unwrap_or_else(|error| {
            Err(DataPathError(format!("cannot visit the network namespace: {error}")))
        })
    }

    /// Removes the filter and this instance's bridges. Devices of ports stay, they are their drivers'.
    ///
    /// # Errors
    /// What the kernel refuses; the rest is removed all the same.
    pub async fn close(&self) -> Result<()> {
        self.watcher.abort();
        let mut state = self.shared.state.lock().await;
        *state = State::default();
        // Bridges first: without them nothing passes, filter or not.
        let bridges = self.shared.remove_bridges(|_, _| true).await;
        let filter = nft::apply(self.shared.links.netns(), &table::remove(&self.shared.table)).await;
        bridges.and(filter)
    }
}

impl Drop for Bridges {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Shared {
    /// All links. Takes the locked state because the kernel refuses a listing (`EBUSY`) while another is under way on
    /// the same socket.
    async fn list_links(&self, _turn: &State) -> host_net::Result<Vec<LinkInfo>> {
        self.links.links().await
    }

    /// Removes those of our bridges that may go.
    async fn remove_bridges(&self, may_go: impl Fn(&[LinkInfo], &LinkInfo) -> bool) -> Result<()> {
        let links = self.links.links().await.map_err(failed)?;
        let ours = links.iter().filter(|link| is_ours(link, &self.table));
        let mut outcome = Ok(());
        for bridge in ours {
            if may_go(&links, bridge) {
                outcome = outcome.and(self.links.delete_bridge(&bridge.name).await.map_err(failed));
            }
        }
        outcome
    }
}

fn has_ports(links: &[LinkInfo], bridge: &LinkInfo) -> bool {
    links.iter().any(|link| link.master == Some(bridge.index))
}

#[async_trait]
impl NetworkDataPath for Bridges {
    async fn network_up(&self, network: &NetworkView) -> Result<()> {
        self.shared.network_up(network).await
    }

    async fn network_down(&self, id: &str) -> Result<()> {
        self.shared.network_down(id).await
    }

    async fn port_up(&self, port: &PortView) -> Result<()> {
        self.shared.ports_up(std::slice::from_ref(port)).await
    }

    async fn ports_up(&self, ports: &[PortView]) -> Result<()> {
        self.shared.ports_up(ports).await
    }

    async fn port_down(&self, id: &str) -> Result<()> {
        self.shared.port_down(id).await
    }

    async fn all_told(&self) -> Result<()> {
        let mut state = self.shared.state.lock().await;
        self.shared.remove_bridges(|_, bridge| !state.holds(bridge.index)).await?;
        state.forget_inherited();
        Ok(())
    }

    async fn links_up(&self) -> Option<BTreeSet<String>> {
        let listed = self.shared.list_links(&*self.shared.state.lock().await).await;
        match listed {
            Ok(links) => {
                let up = links.iter().filter(|link| link.up);
                Some(up.filter_map(|link| names::port_of(&link.name)).map(str::to_owned).collect())
            }
            Err(error) => {
                tracing::warn!(%error, "cannot list links, ports keep the state they have");
                None
            }
        }
    }

    fn link_events(&self) -> broadcast::Receiver<(String, bool)> {
        self.shared.events.subscribe()
    }
}

/// Docker, for one, makes the host drop what its own rules do not know. The switch concerns the whole host, so it is
/// not ours to turn.
fn bridged_packets_meet_host_rules(links: &Links) -> bool {
    let read = || std::fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    matches!(os::netns::run_in(links.netns(), read), Ok(Ok(text)) if text.trim() == "1")
}

fn failed(error: host_net::Error) -> DataPathError {
    DataPathError(error.to_string())
}
