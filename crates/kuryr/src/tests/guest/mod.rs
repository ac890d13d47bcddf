//! Containers inside a virtual machine.

mod identity;
mod joining;
mod limits;
mod orphans;
mod pairs;
mod spares;
mod trunk;

use openstack::network::{AddressPair, Trunk};

use super::docker::{Docker, Net, v4};
use crate::doubles::Link;
use crate::guest::{GuestMode, GuestSettings, Spares};
use crate::host::{IpvlanFlag, IpvlanMode, MacvlanMode};

pub(super) const MACVLAN: GuestMode = GuestMode::Macvlan(MacvlanMode::Bridge);
pub(super) const IPVLAN: GuestMode = GuestMode::Ipvlan(IpvlanMode::L2, IpvlanFlag::Bridge);
/// The machine's network.
pub(super) const RANGE: &str = "10.50.0.0/24";
/// The machine's interface.
pub(super) const NIC: &str = "eth0";

/// What is in Neutron of the virtual machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Machine {
    pub(super) network: String,
    pub(super) port: String,
    pub(super) trunk: String,
}

pub(super) fn settings(mode: GuestMode) -> GuestSettings {
    GuestSettings {
        link: NIC.to_owned(),
        mode,
        port: None,
        pairs_by_subnet: false,
        spares: Spares::default(),
    }
}

/// Makes the host of a fresh Docker a virtual machine.
pub(super) async fn become_a_machine(docker: &mut Docker, guest: GuestSettings) -> Machine {
    let network = docker.operator_network("machines", &[RANGE]).await;
    let port = docker.operator_port(&network, "10.50.0.5").await.id;
    let trunk = uuid::Uuid::new_v4().to_string();
    {
        let mut cloud = docker.world.cloud.lock().unwrap();
        let cloud = &mut *cloud;
        for alias in ["trunk", "trunk-details", "allowed-address-pairs", "revision-if-match"] {
            cloud.extensions.insert(alias.to_owned());
        }
        let own = cloud.ports.get_mut(&port).unwrap();
        own.device_id = "the-server".to_owned();
        own.device_owner = "compute:nova".to_owned();
        // A hypervisor, whose agent is not ours to know.
        own.host_id = Some("node-1".to_owned());
        own.vif_type = Some("bridge".to_owned());
        own.allowed_address_pairs = vec![theirs()];
        let nic = Link {
            mac: Some(own.mac_address),
            mtu: 1450,
            up: true,
            addresses: vec!["10.50.0.5".parse().unwrap()],
            ..Link::default()
        };
        cloud.links.insert(NIC.to_owned(), nic);
        let trunk = Trunk {
            id: trunk.clone(),
            name: String::new(),
            port_id: port.clone(),
            status: "ACTIVE".to_owned(),
            admin_state_up: true,
            revision_number: 1,
            sub_ports: Vec::new(),
        };
        cloud.trunks.insert(trunk.id.clone(), trunk);
    }
    docker.requires_mac = !matches!(guest.mode, GuestMode::Ipvlan(..));
    docker.settings.guest = Some(guest);
    docker.settings.host = "a-guest".to_owned();
    docker.restart();
    docker.world.calls();
    Machine { network, port, trunk }
}

/// A fresh Docker inside a virtual machine.
pub(super) async fn docker_in(guest: GuestSettings) -> (Docker, Machine) {
    let mut docker = Docker::new();
    let machine = become_a_machine(&mut docker, guest).await;
    (docker, machine)
}

/// The network containers can be on.
pub(super) fn net(mode: GuestMode) -> Net {
    if mode == GuestMode::Vlan { v4("10.9.0.0/24") } else { v4(RANGE) }
}

/// Somebody else's pair on the machine's port.
pub(super) fn theirs() -> AddressPair {
    AddressPair {
        ip_address: "10.50.0.200".to_owned(),
        mac_address: Some("fa:16:3e:99:99:99".parse().unwrap()),
    }
}

impl Machine {
    /// VLANs with their ports.
    pub(super) fn sub_ports(&self, docker: &Docker) -> Vec<(u16, String)> {
        let cloud = docker.world.cloud.lock().unwrap();
        cloud.trunks[&self.trunk].sub_ports.iter().map(|s| (s.segmentation_id, s.port_id.clone())).collect()
    }

    /// Pairs of the machine's port.
    pub(super) fn pairs(&self, docker: &Docker) -> Vec<AddressPair> {
        docker.world.cloud.lock().unwrap().ports[&self.port].allowed_address_pairs.clone()
    }
}
