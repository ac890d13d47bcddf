//! An instance: a guest whose cards are Neutron ports.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::vm::{Guest, GuestOptions, GuestProcess, Nic, NicOptions, Segment};
use serde_json::json;
use testkit::World;
use uuid::Uuid;

use crate::Binding;
use crate::neutron::{Network, Neutron, Port, text};

/// From boot; longer than all cases of a part together.
const LIMIT: Duration = Duration::from_secs(3600);

/// What a card's port is to Neutron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wiring {
    /// A port as every instance has.
    Plain,
    /// The parent of a trunk without subports.
    Trunk,
}

/// The Neutron side of a card. Dropping it, after the card is unplugged, deletes port and trunk.
#[derive(Debug)]
pub struct Card {
    neutron: Neutron,
    /// The port.
    pub port: Port,
    /// Id of the trunk it is the parent of.
    pub trunk: Option<String>,
}

impl Card {
    fn make(neutron: &Neutron, network: &Network, wiring: Wiring, name: &str) -> Result<Self> {
        let port = Port::make(neutron, network, name)?;
        let mut card = Self { neutron: neutron.clone(), port, trunk: None };
        if let Wiring::Trunk = wiring {
            let trunk = neutron.make("trunk", "trunks", &json!({"port_id": card.port.id, "name": name}))?;
            card.trunk = Some(text(&trunk, "/id").to_owned());
        }
        Ok(card)
    }

    /// Binds the port to the lab's host, as Nova does, and plugs it.
    fn plug(&self, world: &World, network: &Network, instance: &str) -> Result<Nic> {
        let binding = json!({"binding:host_id": lab::openstack::HOST, "device_owner": "compute:nova",
                             "device_id": instance});
        let bound = self.neutron.update("port", "ports", &self.port.id, &binding)?;
        if text(&bound, "/binding:vif_type") != "ovs" {
            bail!("a port got the type `{}` instead of `ovs`", text(&bound, "/binding:vif_type"));
        }
        let bridge = text(&bound, "/binding:vif_details/bridge_name");
        Nic::plug(
            world.host(),
            NicOptions {
                bridge: bridge.to_owned(),
                port: self.port.id.clone(),
                mac: self.port.mac.clone(),
                mtu: network.mtu,
                addresses: vec![self.port.interface()],
                instance: instance.to_owned(),
            },
        )
    }

    fn await_active(&self) -> Result<()> {
        self.neutron.await_active("port", "ports", &self.port.id)?;
        match &self.trunk {
            Some(trunk) => self.neutron.await_active("trunk", "trunks", trunk),
            None => Ok(()),
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // Neutron does not delete the trunk of a bound port.
        let unbound = json!({"binding:host_id": "", "device_id": ""});
        let _ = self.neutron.update("port", "ports", &self.port.id, &unbound);
        if let Some(trunk) = &self.trunk {
            let _ = self.neutron.delete("trunks", trunk);
        }
    }
}

/// How to make an instance.
#[derive(Debug, Clone, Copy)]
pub struct InstanceOptions<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its cards `eth0`, `eth1`, ... are on.
    pub networks: &'a [(&'a Network, Wiring)],
    /// The network for storage, to have one more card there.
    pub storage: Option<&'a Segment>,
    /// The `kuryr` binary, which it sees at `/share/kuryr`.
    pub kuryr: &'a Path,
}

/// A guest whose cards are ports. Dropping it ends the guest, then deletes the ports.
#[derive(Debug)]
pub struct Instance {
    pub(crate) plugin: Option<GuestProcess>,
    pub(crate) engine: Option<GuestProcess>,
    /// How the plugin was configured last.
    pub(crate) configured: Option<Option<Binding>>,
    /// The guest.
    pub guest: Guest,
    /// The ports of `eth0`, `eth1`, ...
    pub cards: Vec<Card>,
    /// Where logs of its programs lie.
    pub(crate) logs: PathBuf,
}

impl Instance {
    /// Makes ports on those networks, boots a guest with them, and waits until they are `ACTIVE`.
    ///
    /// # Errors
    /// What failed, with the end of the guest's console if that is it.
    pub fn start(world: &World, options: &InstanceOptions<'_>) -> Result<Self> {
        let name = options.name;
        let neutron = Neutron::of(world);
        let id = Uuid::new_v4().to_string();
        let (mut cards, mut nics) = (Vec::new(), Vec::new());
        for (network, wiring) in options.networks {
            let card = Card::make(&neutron, network, *wiring, name)?;
            nics.push(card.plug(world, network, &id)?);
            cards.push(card);
        }
        nics.extend(options.storage.map(Segment::plug).transpose()?);
        let options = GuestOptions {
            nics,
            limit: LIMIT,
            share: Some(share(world, options.kuryr)?),
            // Where the catalogue sends clients.
            ports: vec![5000],
            ..GuestOptions::new(name)
        };
        let guest = Guest::start(world.host(), options)?;
        let logs = world.dir().to_owned();
        let instance = Self { plugin: None, engine: None, configured: None, guest, cards, logs };
        for card in &instance.cards {
            card.await_active()?;
        }
        Ok(instance)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.guest.name()
    }

    /// The address of its first card.
    #[must_use]
    pub fn address(&self) -> &str {
        self.cards.first().map(|card| card.port.address.as_str()).unwrap_or_default()
    }

    /// What a program of it logged: `dockerd` or `kuryr`.
    #[must_use]
    pub fn log(&self, program: &str) -> String {
        fs::read_to_string(self.log_file(program)).unwrap_or_default()
    }

    pub(crate) fn log_file(&self, program: &str) -> PathBuf {
        self.logs.join(format!("{program}-{}.log", self.name()))
    }
}

/// A directory that holds the plugin and nothing else.
fn share(world: &World, kuryr: &Path) -> Result<PathBuf> {
    let dir = world.dir().join("programs");
    let copy = dir.join("kuryr");
    if !copy.exists() {
        fs::create_dir_all(&dir).context("create a directory for programs")?;
        let part = dir.join(format!("kuryr.{}", Uuid::new_v4()));
        fs::copy(kuryr, &part).with_context(|| format!("copy {}", kuryr.display()))?;
        fs::rename(&part, &copy).context("name the copy")?;
    }
    Ok(dir)
}
