//! The tenant's own doings in the cloud, before any container: what the tour then reuses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use openstack::network::{NewNetwork, NewPort, NewSubnet, WantedIp};
use openstack::{AuthSettings, Session, block_storage, network};

use crate::error::Error;

/// Name of what was there before any container: a network and a volume.
pub(super) const EXISTING: &str = "existing";
const PORT: &str = "my-port";

/// The tenant `demo`.
#[derive(Debug)]
pub(super) struct Cloud {
    network: network::Client,
    volumes: block_storage::Client,
}

impl Cloud {
    pub(super) fn connect(address: &str) -> Result<Self, Error> {
        let options = [
            ("auth_type", "password".to_owned()),
            ("auth_url", format!("http://{address}/identity/v3")),
            ("username", "demo".to_owned()),
            ("password", "secret".to_owned()),
            ("project_name", "demo".to_owned()),
            ("user_domain_id", "default".to_owned()),
            ("project_domain_id", "default".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value));
        let settings = AuthSettings::from_keystoneauth_map("the demo", &BTreeMap::from(options))?;
        let session = Session::new(settings)?;
        Ok(Self {
            network: network::Client::new(session.clone()),
            volumes: block_storage::Client::new(session),
        })
    }

    /// A network with a subnet; the network's id.
    pub(super) async fn make_network(&self, name: &str, cidr: &str) -> Result<String, Error> {
        let cidr = cidr.parse().map_err(|_| Error::Demo(format!("`{cidr}` is no subnet")))?;
        let network = NewNetwork { name: name.to_owned(), admin_state_up: true, ..NewNetwork::default() };
        let network = self.network.create_network(&network).await?;
        let subnet = NewSubnet {
            name: format!("{name}-subnet"),
            network_id: network.id.clone(),
            ip_version: 4,
            cidr: Some(cidr),
            subnetpool_id: None,
            prefixlen: None,
            gateway_ip: None,
            enable_dhcp: true,
            allocation_pools: None,
            description: None,
        };
        self.network.create_subnet(&subnet).await?;
        Ok(network.id)
    }

    /// A port that nothing uses; its id.
    pub(super) async fn make_port(&self, network: &str, address: IpAddr) -> Result<String, Error> {
        let subnets = self.network.list_subnets(&[("network_id", network)]).await?;
        let subnet_id = subnets.first().map(|s| s.id.clone()).unwrap_or_default();
        let port = NewPort {
            network_id: network.to_owned(),
            name: PORT.to_owned(),
            admin_state_up: true,
            fixed_ips: vec![WantedIp { subnet_id, ip_address: Some(address) }],
            ..NewPort::default()
        };
        Ok(self.network.create_port(&port).await?.id)
    }

    /// A volume; its id.
    pub(super) async fn make_volume(&self, name: &str) -> Result<String, Error> {
        let volume = block_storage::NewVolume {
            name: name.to_owned(),
            size: 1,
            ..block_storage::NewVolume::default()
        };
        let mut volume = self.volumes.create_volume(&volume).await?;
        for _ in 0..100 {
            if volume.status == "available" {
                return Ok(volume.id);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            volume = self.volumes.get_volume(&volume.id).await?;
        }
        Err(Error::Demo(format!("the volume {} is still {}", volume.id, volume.status)))
    }

    /// Removes what [`Self::make_network`], [`Self::make_port`] and [`Self::make_volume`] made, as far as it goes: with
    /// the last port and volume their bridges and loop devices go too.
    pub(super) async fn clear(&self) {
        for port in self.network.list_ports(&[("name", PORT)]).await.unwrap_or_default() {
            let _ = self.network.delete_port(&port.id).await;
        }
        for network in self.network.list_networks(&[("name", EXISTING)]).await.unwrap_or_default() {
            let _ = self.network.delete_network(&network.id).await;
        }
        for volume in self.volumes.list_volumes(Some(EXISTING), &[]).await.unwrap_or_default() {
            let _ = self.volumes.delete_volume(&volume.id).await;
        }
    }

    /// What a port looks like now: device and binding.
    pub(super) async fn describe_port(&self, id: &str) -> Result<String, Error> {
        let port = self.network.get_port(id).await?;
        let device = if port.device_id.is_empty() { "nothing" } else { &port.device_id };
        Ok(format!("port {id}: used by {device}, status {}", port.status))
    }

    /// What a volume looks like now.
    pub(super) async fn describe_volume(&self, id: &str) -> Result<String, Error> {
        let volume = self.volumes.get_volume(id).await?;
        Ok(format!("volume {id}: {}, metadata {:?}", volume.status, volume.metadata))
    }
}
