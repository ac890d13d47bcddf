//! Nova behind [`Servers`].

use async_trait::async_trait;
use openstack::Result;
use openstack::compute::Client;

use crate::Servers;
use crate::seams::ServerLife;

#[async_trait]
impl Servers for Client {
    async fn attach_volume(&self, server: &str, volume: &str) -> Result<()> {
        Client::attach_volume(self, server, volume).await
    }
    async fn has_volume(&self, server: &str, volume: &str) -> Result<bool> {
        match self.get_volume_attachment(server, volume).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
    async fn detach_volume(&self, server: &str, volume: &str) -> Result<()> {
        Client::detach_volume(self, server, volume).await
    }
    async fn life(&self, server: &str) -> Result<ServerLife> {
        match self.get_server(server).await {
            Ok(server) => Ok(match server.status.as_str() {
                "SHUTOFF" | "SHELVED" | "SHELVED_OFFLOADED" => ServerLife::Off,
                "DELETED" | "SOFT_DELETED" => ServerLife::Gone,
                _ => ServerLife::MayRun(server.status),
            }),
            Err(error) if error.is_not_found() => Ok(ServerLife::Gone),
            Err(error) => Err(error),
        }
    }
}
