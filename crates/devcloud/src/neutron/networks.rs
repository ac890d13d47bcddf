//! `/v2.0/networks`.

use super::attributes::Attributes;
use super::collection::Writable;
use super::fault::Fault;
use super::names_in_dns::dns_domain;
use super::qos_policies::chosen_policy;
use crate::caller::Caller;
use crate::model::Model;
use crate::model::network::Network;
use crate::model::port::DHCP_OWNER;
use crate::model::standard::Standard;

impl Writable for Network {
    fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
        let owner = item.owner(&caller.project_id)?;
        if !model.has_room(&owner, "network") {
            return Err(Fault::over_quota("network"));
        }
        model.last_segment += 1;
        let mut network = Network {
            standard: Standard::new(
                &owner,
                item.text("name")?.unwrap_or_default(),
                item.text("description")?.unwrap_or_default(),
            ),
            admin_state_up: true,
            shared: false,
            mtu: model.default_mtu,
            external: false,
            port_security_enabled: true,
            network_type: "vxlan".into(),
            segmentation_id: Some(model.last_segment),
            physical_network: None,
            qos_policy_id: None,
            dns_domain: String::new(),
        };
        if let Some(kind) = item.take_admin("provider:network_type")? {
            network.network_type = kind.as_str().unwrap_or("vxlan").into();
            network.segmentation_id = None;
        }
        if let Some(number) = item.take_admin("provider:segmentation_id")? {
            network.segmentation_id = number.as_u64().and_then(|n| u32::try_from(n).ok());
        }
        if let Some(physical) = item.take_admin("provider:physical_network")? {
            network.physical_network = physical.as_str().map(str::to_owned);
        }
        item.take("availability_zone_hints");
        write(model, caller, &mut network, &mut item)?;
        item.finish()?;
        let id = network.standard.id.clone();
        model.networks.insert(id.clone(), network);
        model.default_group(&owner);
        Ok(id)
    }

    fn change(&mut self, model: &Model, caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        item.write_names(&mut self.standard)?;
        write(model, caller, self, &mut item)?;
        item.finish()
    }

    /// Takes subnets and DHCP ports along, and is refused while anything else is there.
    fn remove(&self, model: &mut Model, _caller: &Caller) -> Result<(), Fault> {
        let id = &self.standard.id;
        let users: Vec<&str> = model
            .ports
            .values()
            .filter(|p| p.network_id == *id && p.device_owner != DHCP_OWNER)
            .map(|p| p.standard.id.as_str())
            .collect();
        if !users.is_empty() {
            return Err(Fault::conflict(
                "NetworkInUse",
                format!(
                    "Unable to complete operation on network {id}. There are one or more ports still in use on the \
                     network, id for these ports is: {}.",
                    users.join(",")
                ),
            ));
        }
        model.ports.retain(|_, p| p.network_id != *id);
        model.subnets.retain(|_, s| s.network_id != *id);
        model.networks.remove(id);
        Ok(())
    }
}

/// Writes the attributes that may be set at any time.
fn write(model: &Model, caller: &Caller, network: &mut Network, item: &mut Attributes) -> Result<(), Fault> {
    if let Some(up) = item.boolean("admin_state_up")? {
        network.admin_state_up = up;
    }
    if let Some(shared) = item.boolean_admin("shared", network.shared)? {
        network.shared = shared;
    }
    if let Some(external) = item.boolean_admin("router:external", network.external)? {
        network.external = external;
    }
    if let Some(on) = item.boolean("port_security_enabled")? {
        network.port_security_enabled = on;
    }
    if let Some(policy) = chosen_policy(model, caller, item)? {
        network.qos_policy_id = policy;
    }
    if let Some(domain) = item.text("dns_domain")? {
        network.dns_domain = dns_domain(&domain)?;
    }
    if let Some(mtu) = item.number::<i64>("mtu")? {
        let wanted = u32::try_from(mtu);
        let wanted =
            wanted.map_err(|_| Fault::attribute("mtu", format!("'{mtu}' should be non-negative")))?;
        if wanted > model.default_mtu {
            let most = model.default_mtu;
            return Err(Fault::input(format!("Requested MTU is too big, maximum is {most}")));
        }
        network.mtu = wanted;
    }
    Ok(())
}
