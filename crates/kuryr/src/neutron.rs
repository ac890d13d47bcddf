//! The calls of Neutron the service makes, as a seam.

use std::collections::BTreeSet;

use async_trait::async_trait;
use openstack::Result;
use openstack::network::{
    Listed, Network, NewNetwork, NewPort, NewSecurityGroup, NewSecurityGroupRule, NewSubnet, NewSubnetPool,
    Port, PortUpdate, QosPolicy, SecurityGroup, SubPort, Subnet, SubnetPool, Taggable, Trunk,
};

/// Neutron, as far as it is needed here. Each method is one request; every `delete_*` takes 404 for success.
#[allow(missing_docs)] // The names are Neutron's.
#[async_trait]
pub trait Neutron: Send + Sync {
    async fn inventory(&self, kind: Taggable, filters: &[(&str, &str)]) -> Result<Vec<Listed>>;
    /// The project of the credentials; from the token, so usually no request.
    async fn own_project(&self) -> Result<Option<String>>;
    async fn extensions(&self) -> Result<BTreeSet<String>>;
    async fn list_networks(&self, filters: &[(&str, &str)]) -> Result<Vec<Network>>;
    async fn get_network(&self, id: &str) -> Result<Network>;
    async fn create_network(&self, network: &NewNetwork) -> Result<Network>;
    async fn rename_network(&self, id: &str, name: &str) -> Result<Network>;
    async fn delete_network(&self, id: &str) -> Result<()>;
    async fn list_subnets(&self, filters: &[(&str, &str)]) -> Result<Vec<Subnet>>;
    async fn get_subnet(&self, id: &str) -> Result<Subnet>;
    async fn create_subnet(&self, subnet: &NewSubnet) -> Result<Subnet>;
    async fn create_subnets(&self, subnets: &[NewSubnet]) -> Result<Vec<Subnet>>;
    async fn delete_subnet(&self, id: &str) -> Result<()>;
    async fn list_subnetpools(&self, filters: &[(&str, &str)]) -> Result<Vec<SubnetPool>>;
    async fn get_subnetpool(&self, id: &str) -> Result<SubnetPool>;
    async fn create_subnetpool(&self, pool: &NewSubnetPool) -> Result<SubnetPool>;
    async fn delete_subnetpool(&self, id: &str) -> Result<()>;
    async fn list_ports(&self, filters: &[(&str, &str)]) -> Result<Vec<Port>>;
    async fn get_port(&self, id: &str) -> Result<Port>;
    async fn create_port(&self, port: &NewPort) -> Result<Port>;
    async fn create_ports(&self, ports: &[NewPort]) -> Result<Vec<Port>>;
    async fn update_port(&self, id: &str, update: &PortUpdate, if_revision: Option<u64>) -> Result<Port>;
    async fn delete_port(&self, id: &str) -> Result<()>;
    async fn list_trunks(&self, filters: &[(&str, &str)]) -> Result<Vec<Trunk>>;
    async fn get_trunk(&self, id: &str) -> Result<Trunk>;
    async fn add_subports(&self, trunk: &str, sub_ports: &[SubPort]) -> Result<Trunk>;
    async fn remove_subports(&self, trunk: &str, ports: &[String]) -> Result<Trunk>;
    async fn list_security_groups(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>>;
    async fn create_security_group(&self, group: &NewSecurityGroup) -> Result<SecurityGroup>;
    async fn create_security_group_rules(&self, rules: &[NewSecurityGroupRule]) -> Result<()>;
    async fn delete_security_group(&self, id: &str) -> Result<()>;
    async fn list_qos_policies(&self, filters: &[(&str, &str)]) -> Result<Vec<QosPolicy>>;
    async fn set_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()>;
    async fn add_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()>;
    async fn add_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()>;
    /// Whether it was this request that removed the tag.
    async fn take_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<bool>;
    async fn remove_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()>;
}
