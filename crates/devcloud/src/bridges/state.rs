//! Bringing bridges and filters from what they are to what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use host_net::LinkInfo;
use ipnet::IpNet;

use super::{Shared, failed, names, nft, port_rules};
use crate::datapath::{DataPathError, NetworkView, PortView, Result};

/// What the filter holds now.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By the name of the bridge.
    pub(super) networks: BTreeMap<String, Network>,
    /// By the name of the device.
    pub(super) ports: BTreeMap<String, PortView>,
    /// Devices in our bridges that are nobody's port.
    pub(super) strangers: BTreeSet<String>,
    /// Indices of bridges an earlier instance left with ports in them. Until their networks and ports are told,
    /// nothing passes.
    inherited: BTreeSet<u32>,
}

/// A network that is up.
#[derive(Debug)]
pub(super) struct Network {
    view: NetworkView,
    /// Index of its bridge.
    pub(super) index: u32,
}

impl Shared {
    pub(super) async fn network_up(&self, network: &NetworkView) -> Result<()> {
        check_id("network", &network.id)?;
        let name = names::bridge(&network.id);
        let mut state = self.state.lock().await;
        if let Some(other) = state.networks.get(&name).filter(|other| other.view.id != network.id) {
            return Err(taken("network", &network.id, &other.view.id, &name));
        }
        if let Some(owner) = self.links.link(&name).await.map_err(failed)?.and_then(|link| link.alias)
            && owner != self.table
        {
            return Err(DataPathError(format!(
                "bridge {name} of network {} is marked {owner:?}; remove it if nobody uses it",
                network.id
            )));
        }
        self.links.ensure_bridge(&name, Some(network.mtu)).await.map_err(failed)?;
        self.links.set_alias(&name, &self.table).await.map_err(failed)?;
        self.links.set_mac(&name, names::bridge_mac(&network.id)).await.map_err(failed)?;
        let Some(bridge) = self.links.link(&name).await.map_err(failed)? else {
            return Err(DataPathError(format!("bridge {name} vanished while it was made; try again")));
        };
        // The filter learns the gateways before the host answers for them.
        let before = state.sets();
        let entry = Network { view: network.clone(), index: bridge.index };
        let replaced = state.networks.insert(name.clone(), entry);
        if let Err(error) = self.resize_sets(&before, &state.sets()).await {
            match replaced {
                Some(old) => state.networks.insert(name, old),
                None => state.networks.remove(&name),
            };
            return Err(error);
        }
        self.set_gateways(&name, &network.gateways).await?;
        for link in self.links.links().await.map_err(failed)? {
            self.see(&mut state, &link).await?;
        }
        Ok(())
    }

    async fn set_gateways(&self, bridge: &str, wanted: &[IpNet]) -> Result<()> {
        for address in self.links.addresses(bridge).await.map_err(failed)? {
            if !wanted.contains(&address) {
                self.links.remove_address(bridge, address).await.map_err(failed)?;
            }
        }
        for address in wanted {
            self.links.add_address(bridge, *address).await.map_err(failed)?;
        }
        Ok(())
    }

    pub(super) async fn network_down(&self, id: &str) -> Result<()> {
        check_id("network", id)?;
        let name = names::bridge(id);
        let mut state = self.state.lock().await;
        if let Some(bridge) = self.links.link(&name).await.map_err(failed)? {
            // Without our mark it is not ours.
            if is_ours(&bridge, &self.table) {
                self.links.delete_bridge(&name).await.map_err(failed)?;
            }
        }
        let before = state.sets();
        let removed = state.networks.remove(&name);
        let outcome = self.resize_sets(&before, &state.sets()).await;
        if let (Err(_), Some(network)) = (&outcome, removed) {
            state.networks.insert(name, network);
        }
        outcome
    }

    /// One transaction for all of them: a new member changes the filters of its whole group.
    pub(super) async fn ports_up(&self, ports: &[PortView]) -> Result<()> {
        let mut state = self.state.lock().await;
        let mut script = String::new();
        for port in ports {
            check_id("port", &port.id)?;
            check_id("network", &port.network_id)?;
            let device = names::tap(&port.id);
            let before = state.ports.get(&device);
            if let Some(other) = before.filter(|other| other.id != port.id) {
                return Err(taken("port", &port.id, &other.id, &device));
            }
            script += &port_rules::change(&self.table, &device, before, Some(port))?;
            if state.strangers.contains(&device) {
                script += &element("delete", &self.table, "strangers", &format!("\"{device}\""));
            }
        }
        if !script.is_empty() {
            nft::apply(self.links.netns(), &script).await?;
        }
        for port in ports {
            let device = names::tap(&port.id);
            state.strangers.remove(&device);
            state.ports.insert(device, port.clone());
        }
        for port in ports {
            if let Some(link) = self.links.link(&names::tap(&port.id)).await.map_err(failed)? {
                self.see(&mut state, &link).await?;
                // Said again for those who came after the device did.
                self.tell(&link, link.up);
            }
        }
        Ok(())
    }

    pub(super) async fn port_down(&self, id: &str) -> Result<()> {
        check_id("port", id)?;
        let device = names::tap(id);
        let mut state = self.state.lock().await;
        let Some(before) = state.ports.get(&device) else { return Ok(()) };
        let present = self.links.link(&device).await.map_err(failed)?;
        let mut script = port_rules::change(&self.table, &device, Some(before), None)?;
        let stranger = present.is_some_and(|link| state.owns(link.master));
        if stranger {
            // In the same transaction, so that no packet slips through between the two.
            script += &element("add", &self.table, "strangers", &format!("\"{device}\""));
        }
        nft::apply(self.links.netns(), &script).await?;
        state.ports.remove(&device);
        if stranger {
            state.strangers.insert(device);
        }
        Ok(())
    }

    /// Looks at a device: plugs it if that is our task, shuts it out if it is nobody's port.
    pub(super) async fn see(&self, state: &mut State, link: &LinkInfo) -> Result<()> {
        if let Some(port) = state.ports.get(&link.name) {
            let bridge = names::bridge(&port.network_id);
            let plugged =
                state.networks.get(&bridge).is_none_or(|network| link.master == Some(network.index));
            if port.vif_type == "tap" && !plugged {
                match self.links.set_master(&link.name, Some(&bridge)).await {
                    // Gone again; its driver knows why.
                    Err(error) if error.is_absent() => {}
                    outcome => outcome.map_err(failed)?,
                }
            }
            return Ok(());
        }
        let stranger = link.name.starts_with("tap") && state.owns(link.master);
        if stranger != state.strangers.contains(&link.name) && is_plain(&link.name) {
            let verb = if stranger { "add" } else { "delete" };
            let quoted = format!("\"{}\"", link.name);
            nft::apply(self.links.netns(), &element(verb, &self.table, "strangers", &quoted)).await?;
            if stranger {
                tracing::warn!(device = %link.name, "device in a bridge of this cloud belongs to no port, it is shut out");
                state.strangers.insert(link.name.clone());
            } else {
                state.strangers.remove(&link.name);
            }
        }
        Ok(())
    }

    /// Tells listeners about a device that is named like a port's.
    pub(super) fn tell(&self, link: &LinkInfo, up: bool) {
        if let Some(prefix) = names::port_of(&link.name) {
            // Nobody listening is fine.
            let _ = self.events.send((prefix.to_owned(), up));
        }
    }

    async fn resize_sets(
        &self,
        before: &[(&str, BTreeSet<String>)],
        after: &[(&str, BTreeSet<String>)],
    ) -> Result<()> {
        let mut script = String::new();
        for ((set, old), (_, new)) in before.iter().zip(after) {
            for value in old.difference(new) {
                script += &element("delete", &self.table, set, value);
            }
            for value in new.difference(old) {
                script += &element("add", &self.table, set, value);
            }
        }
        if script.is_empty() { Ok(()) } else { nft::apply(self.links.netns(), &script).await }
    }
}

impl State {
    /// Whether an index is that of one of our bridges.
    fn owns(&self, master: Option<u32>) -> bool {
        master.is_some_and(|index| self.holds(index) || self.inherited.contains(&index))
    }

    /// The start behind an earlier instance: its bridges that have ports, and those ports shut out.
    pub(super) fn inherit(links: &[LinkInfo], table: &str) -> Self {
        let inherited: BTreeSet<u32> =
            links.iter().filter(|link| is_ours(link, table)).map(|link| link.index).collect();
        let strangers = links
            .iter()
            .filter(|link| link.name.starts_with("tap") && is_plain(&link.name))
            .filter(|link| link.master.is_some_and(|master| inherited.contains(&master)))
            .map(|link| link.name.clone())
            .collect();
        Self { strangers, inherited, ..Self::default() }
    }

    /// Whether the bridge with this index is that of a network that is up.
    pub(super) fn holds(&self, index: u32) -> bool {
        self.networks.values().any(|network| network.index == index)
    }

    /// Ends the time after a start: no bridge is kept for a network that may yet be told.
    pub(super) fn forget_inherited(&mut self) {
        self.inherited.clear();
    }

    /// The script that fills the set of strangers of a new table.
    pub(super) fn shut_out(&self, table: &str) -> String {
        self.strangers.iter().map(|name| element("add", table, "strangers", &format!("\"{name}\""))).collect()
    }

    /// What the sets that describe networks should hold.
    fn sets(&self) -> [(&'static str, BTreeSet<String>); 3] {
        let macs = self.networks.values().map(|n| names::mac_text(names::bridge_mac(&n.view.id))).collect();
        let gateways = |four: bool| {
            self.networks
                .values()
                .flat_map(|network| &network.view.gateways)
                .filter(|net| net.addr().is_ipv4() == four)
                .map(|net| net.addr().to_string())
                .collect()
        };
        [("bridge_macs", macs), ("gateways4", gateways(true)), ("gateways6", gateways(false))]
    }
}

/// Whether a link is a bridge that carries our mark.
pub(super) fn is_ours(link: &LinkInfo, table: &str) -> bool {
    link.kind.as_deref() == Some("bridge") && link.alias.as_deref() == Some(table)
}

fn element(verb: &str, table: &str, set: &str, value: &str) -> String {
    let mut line = String::new();
    let _ = writeln!(line, "{verb} element bridge {table} {set} {{ {value} }}");
    line
}

/// Whether a device's name can stand between quotes.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn check_id(what: &str, id: &str) -> Result<()> {
    if names::is_id(id) {
        return Ok(());
    }
    Err(DataPathError(format!("{what} id {id:?} is not a UUID; correct it")))
}

fn taken(what: &str, id: &str, other: &str, device: &str) -> DataPathError {
    DataPathError(format!(
        "{what} {id} would share device {device} with {other}; delete one and create it anew"
    ))
}
