//! Neutron, by [`openstack::network::Client`].

use std::collections::BTreeSet;

use async_trait::async_trait;
use openstack::Result;
use openstack::network::{
    Client, Listed, Network, NewNetwork, NewPort, NewSecurityGroup, NewSecurityGroupRule, NewSubnet,
    NewSubnetPool, Port, PortUpdate, QosPolicy, SecurityGroup, SubPort, Subnet, SubnetPool, Taggable, Trunk,
};

use crate::Neutron;

#[async_trait]
impl Neutron for Client {
    async fn inventory(&self, kind: Taggable, filters: &[(&str, &str)]) -> Result<Vec<Listed>> {
        Self::inventory(self, kind, filters).await
    }

    async fn own_project(&self) -> Result<Option<String>> {
        Self::own_project(self).await
    }

    async fn extensions(&self) -> Result<BTreeSet<String>> {
        Self::extensions(self).await
    }

    async fn list_networks(&self, filters: &[(&str, &str)]) -> Result<Vec<Network>> {
        Self::list_networks(self, filters).await
    }

    async fn get_network(&self, id: &str) -> Result<Network> {
        Self::get_network(self, id).await
    }

    async fn create_network(&self, network: &NewNetwork) -> Result<Network> {
        Self::create_network(self, network).await
    }

    async fn rename_network(&self, id: &str, name: &str) -> Result<Network> {
        Self::update_network_name(self, id, name).await
    }

    async fn delete_network(&self, id: &str) -> Result<()> {
        Self::delete_network(self, id).await
    }

    async fn list_subnets(&self, filters: &[(&str, &str)]) -> Result<Vec<Subnet>> {
        Self::list_subnets(self, filters).await
    }

    async fn get_subnet(&self, id: &str) -> Result<Subnet> {
        Self::get_subnet(self, id).await
    }

    async fn create_subnet(&self, subnet: &NewSubnet) -> Result<Subnet> {
        Self::create_subnet(self, subnet).await
    }

    async fn create_subnets(&self, subnets: &[NewSubnet]) -> Result<Vec<Subnet>> {
        Self::create_subnets(self, subnets).await
    }

    async fn delete_subnet(&self, id: &str) -> Result<()> {
        Self::delete_subnet(self, id).await
    }

    async fn list_subnetpools(&self, filters: &[(&str, &str)]) -> Result<Vec<SubnetPool>> {
        Self::list_subnetpools(self, filters).await
    }

    async fn get_subnetpool(&self, id: &str) -> Result<SubnetPool> {
        Self::get_subnetpool(self, id).await
    }

    async fn create_subnetpool(&self, pool: &NewSubnetPool) -> Result<SubnetPool> {
        Self::create_subnetpool(self, pool).await
    }

    async fn delete_subnetpool(&self, id: &str) -> Result<()> {
        Self::delete_subnetpool(self, id).await
    }

    async fn list_ports(&self, filters: &[(&str, &str)]) -> Result<Vec<Port>> {
        Self::list_ports(self, filters).await
    }

    async fn get_port(&self, id: &str) -> Result<Port> {
        Self::get_port(self, id).await
    }

    async fn create_port(&self, port: &NewPort) -> Result<Port> {
        Self::create_port(self, port).await
    }

    async fn create_ports(&self, ports: &[NewPort]) -> Result<Vec<Port>> {
        Self::create_ports(self, ports).await
    }

    async fn update_port(&self, id: &str, update: &PortUpdate, if_revision: Option<u64>) -> Result<Port> {
        Self::update_port(self, id, update, if_revision).await
    }

    async fn delete_port(&self, id: &str) -> Result<()> {
        Self::delete_port(self, id).await
    }

    async fn list_trunks(&self, filters: &[(&str, &str)]) -> Result<Vec<Trunk>> {
        Self::list_trunks(self, filters).await
    }

    async fn get_trunk(&self, id: &str) -> Result<Trunk> {
        Self::get_trunk(self, id).await
    }

    async fn add_subports(&self, trunk: &str, sub_ports: &[SubPort]) -> Result<Trunk> {
        Self::add_subports(self, trunk, sub_ports).await
    }

    async fn remove_subports(&self, trunk: &str, ports: &[String]) -> Result<Trunk> {
        Self::remove_subports(self, trunk, ports).await
    }

    async fn list_security_groups(&self, filters: &[(&str, &str)]) -> Result<Vec<SecurityGroup>> {
        Self::list_security_groups(self, filters).await
    }

    async fn create_security_group(&self, group: &NewSecurityGroup) -> Result<SecurityGroup> {
        Self::create_security_group(self, group).await
    }

    async fn create_security_group_rules(&self, rules: &[NewSecurityGroupRule]) -> Result<()> {
        Self::create_security_group_rules(self, rules).await
    }

    async fn delete_security_group(&self, id: &str) -> Result<()> {
        Self::delete_security_group(self, id).await
    }

    async fn list_qos_policies(&self, filters: &[(&str, &str)]) -> Result<Vec<QosPolicy>> {
        Self::list_qos_policies(self, filters).await
    }

    async fn set_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        Self::set_tags(self, kind, id, tags).await
    }

    async fn add_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        Self::add_tags(self, kind, id, tags).await
    }

    async fn add_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        Self::add_tag(self, kind, id, tag).await
    }

    async fn take_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<bool> {
        Self::take_tag(self, kind, id, tag).await
    }

    async fn remove_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        Self::remove_tag(self, kind, id, tag).await
    }
}
