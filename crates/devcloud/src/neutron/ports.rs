//! `/v2.0/ports`.

use serde_json::{Map, Value};

use super::address_pairs;
use super::attributes::{Attributes, check_uuid};
use super::collection::Writable;
use super::fault::Fault;
use super::names_in_dns::dns_name;
use super::port_addresses::{Place, parse};
use super::qos_policies::chosen_policy;
use super::resource::visible;
use super::tags::parse_tags;
use super::trunks;
use crate::caller::Caller;
use crate::model::Model;
use crate::model::network::Network;
use crate::model::port::{Port, is_router_owner, normal_mac};
use crate::model::security_group::SecurityGroup;
use crate::model::standard::Standard;

/// Longest `binding:profile` as text.
const LONGEST_PROFILE: usize = 4095;
const VNIC_TYPES: [&str; 11] = [
    "normal",
    "macvtap",
    "direct",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
];

impl Writable for Port {
    const WIRED: bool = true;

    fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
        let owner = item.owner(&caller.project_id)?;
        let network_id = item.required("network_id")?;
        check_uuid("network_id", &network_id)?;
        let network = visible::<Network>(model, caller, &network_id)?.clone();
        let owns_network = caller.is_admin || network.standard.project_id == caller.project_id;
        if !model.has_room(&owner, "port") {
            return Err(Fault::over_quota("port"));
        }
        let mut standard = Standard::new(
            &owner,
            item.text("name")?.unwrap_or_default(),
            item.text("description")?.unwrap_or_default(),
        );
        if let Some(tags) = item.take("tags") {
            standard.tags = parse_tags(&tags)?;
        }
        let mac_address = match item.nullable("mac_address")?.flatten() {
            None => model.free_mac(&network_id),
            Some(_) if !owns_network => return Err(item.forbidden("mac_address")),
            Some(text) => free_mac(model, &network_id, &text)?,
        };
        let device_owner = item.text("device_owner")?.unwrap_or_default();
        let is_router = is_router_owner(&device_owner);
        let place = Place { network_id: &network_id, mac: &mac_address, is_router };
        let fixed_ips = match item.objects("fixed_ips")? {
            None => place.automatic(model)?,
            Some(objects) => {
                let wanted = parse(objects)?;
                if !owns_network && wanted.iter().any(|w| w.address.is_some()) {
                    return Err(item.forbidden("fixed_ips:ip_address"));
                }
                place.allocate(model, &wanted, &[])?
            }
        };
        // Ports of the network's own services are trusted.
        let trusted = device_owner.starts_with("network:");
        let mut port = Port {
            standard,
            network_id,
            mac_address,
            fixed_ips,
            device_id: item.text("device_id")?.unwrap_or_default(),
            device_owner,
            admin_state_up: true,
            status: "DOWN".into(),
            security_groups: Vec::new(),
            port_security_enabled: network.port_security_enabled && !trusted,
            allowed_address_pairs: Vec::new(),
            host_id: String::new(),
            vnic_type: "normal".into(),
            vif_type: "unbound".into(),
            vif_details: Map::new(),
            profile: Map::new(),
            qos_policy_id: None,
            dns_name: String::new(),
        };
        let written = write(model, caller, &mut port, &mut item)?;
        item.finish()?;
        port.port_security_enabled &= !trusted;
        if !written.groups && port.port_security_enabled {
            port.security_groups = vec![model.default_group(&owner)];
        }
        check_security(&port, written.groups)?;
        (0..written.bindings).for_each(|_| port.standard.bump());
        let id = port.standard.id.clone();
        model.ports.insert(id.clone(), port);
        model.refresh_status(&id);
        Ok(id)
    }

    fn change(&mut self, model: &Model, caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        let before = self.clone();
        let spelt_anew = address_pairs::are_spelt_anew(self, &item);
        item.write_names(&mut self.standard)?;
        if let Some(device_id) = item.nullable("device_id")? {
            self.device_id = device_id.unwrap_or_default();
        }
        if let Some(device_owner) = item.nullable("device_owner")? {
            self.device_owner = device_owner.unwrap_or_default();
        }
        if let Some(Value::String(text)) = item.take_admin("mac_address")?.filter(|v| !v.is_null()) {
            change_mac(model, self, &text)?;
        }
        if let Some(objects) = item.objects("fixed_ips")? {
            let (mac, is_router) = (&self.mac_address, self.is_router());
            let place = Place { network_id: &self.network_id, mac, is_router };
            self.fixed_ips = place.allocate(model, &parse(objects)?, &self.fixed_ips)?;
        }
        let written = write(model, caller, self, &mut item)?;
        item.finish()?;
        check_security(self, written.groups)?;
        let own = u32::from(spelt_anew || self.asks_other_than(&before));
        (0..own + written.bindings).for_each(|_| self.standard.bump());
        Ok(())
    }

    fn follow_change(model: &mut Model, before: &Self) {
        let id = &before.standard.id;
        model.refresh_status(id);
        let now = model.ports.get(id);
        if now.is_some_and(|now| (&now.host_id, &now.vif_type) != (&before.host_id, &before.vif_type)) {
            model.follow_binding(id);
        }
    }

    /// Neutron reads the port before it writes the binding, and once more only after an attempt to bind it.
    fn answered_revision(&self, before: &Self) -> u64 {
        let mut rest = self.clone();
        rest.standard.revision_number = before.standard.revision_number;
        rest.standard.updated_at.clone_from(&before.standard.updated_at);
        rest.copy_wish(before);
        let unread = self.host_id.is_empty() && self.wish() != before.wish() && !rest.asks_other_than(before);
        if unread { before.standard.revision_number } else { self.standard.revision_number }
    }

    fn remove(&self, model: &mut Model, _caller: &Caller) -> Result<(), Fault> {
        trunks::check_deletable(model, &self.standard.id)?;
        model.ports.remove(&self.standard.id);
        Ok(())
    }
}

fn free_mac(model: &Model, network_id: &str, text: &str) -> Result<String, Fault> {
    let mac = normal_mac(text)
        .ok_or_else(|| Fault::attribute("mac_address", format!("'{text}' is not a valid MAC address")))?;
    if model.is_mac_taken(network_id, &mac) {
        return Err(Fault::conflict(
            "MacAddressInUse",
            format!(
                "Unable to complete operation for network {network_id}. The mac address {mac} is in use."
            ),
        ));
    }
    Ok(mac)
}

/// What a request brought.
struct Written {
    /// Groups were named.
    groups: bool,
    /// Revisions that an attempt to bind takes.
    bindings: u32,
}

/// Writes the attributes that may be set at any time.
fn write(model: &Model, caller: &Caller, port: &mut Port, item: &mut Attributes) -> Result<Written, Fault> {
    if let Some(up) = item.boolean("admin_state_up")? {
        port.admin_state_up = up;
    }
    if let Some(on) = item.boolean("port_security_enabled")? {
        port.port_security_enabled = on;
    }
    let groups = item.list::<String>("security_groups", "UUID")?;
    let named = groups.is_some();
    if let Some(mut groups) = groups {
        for id in &groups {
            visible::<SecurityGroup>(model, caller, id)?;
        }
        groups.sort();
        groups.dedup();
        port.security_groups = groups;
    }
    if let Some(pairs) = address_pairs::read(model, item, &port.mac_address)? {
        let network = model.networks.get(&port.network_id);
        if !caller.is_admin && network.is_none_or(|n| n.standard.project_id != caller.project_id) {
            return Err(item.forbidden("allowed_address_pairs"));
        }
        port.allowed_address_pairs = pairs;
    }
    if let Some(policy) = chosen_policy(model, caller, item)? {
        port.qos_policy_id = policy;
    }
    if let Some(name) = item.text("dns_name")? {
        port.dns_name = dns_name(&name)?;
    }
    item.take("extra_dhcp_opts");
    let bindings = write_binding(model, port, item)?;
    Ok(Written { groups: named, bindings })
}

/// Writes what the binding depends on, and binds anew where that changed; gives the revisions that takes.
fn write_binding(model: &Model, port: &mut Port, item: &mut Attributes) -> Result<u32, Fault> {
    let before = port.clone();
    if let Some(kind) = item.text("binding:vnic_type")? {
        if !VNIC_TYPES.contains(&kind.as_str()) {
            return Err(Fault::attribute("binding:vnic_type", format!("'{kind}' is not in {VNIC_TYPES:?}")));
        }
        if kind != port.vnic_type && port.vif_type != "unbound" {
            return Err(in_use(port));
        }
        port.vnic_type = kind;
    }
    match item.take_admin("binding:profile")? {
        None => {}
        Some(Value::Null) => port.profile = Map::new(),
        Some(Value::Object(profile))
            if Value::Object(profile.clone()).to_string().len() > LONGEST_PROFILE =>
        {
            return Err(Fault::input("binding:profile value too large"));
        }
        Some(Value::Object(profile)) => port.profile = profile,
        Some(other) => {
            return Err(Fault::attribute("binding:profile", format!("'{other}' is not a dictionary")));
        }
    }
    match item.take_admin("binding:host_id")? {
        None => {}
        Some(Value::Null) => port.host_id = String::new(),
        Some(Value::String(host)) => port.host_id = host,
        Some(other) => {
            return Err(Fault::attribute("binding:host_id", format!("'{other}' is not a valid string")));
        }
    }
    // What is bound and stays as it is keeps its binding; one that failed is tried again by any update.
    let changed = port.wish() != before.wish();
    if port.is_bound() && !changed {
        return Ok(0);
    }
    let host = port.host_id.clone();
    port.bind(&host, model.vif(port, &host));
    Ok(match host.as_str() {
        "" => 0,
        _ if changed || before.vif_type != port.vif_type => 2,
        _ => 1,
    })
}

/// Somebody has the port.
pub(crate) fn in_use(port: &Port) -> Fault {
    Fault::conflict(
        "PortInUse",
        format!(
            "Unable to complete operation on port {} for network {}. Port already has an attached device {}.",
            port.standard.id, port.network_id, port.device_id
        ),
    )
}

/// Groups and pairs need port security. `groups_named`: this request brought the groups.
fn check_security(port: &Port, groups_named: bool) -> Result<(), Fault> {
    if port.port_security_enabled {
        return Ok(());
    }
    if !port.allowed_address_pairs.is_empty() {
        return Err(Fault::conflict(
            "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.",
        ));
    }
    if !port.security_groups.is_empty() && groups_named {
        return Err(Fault::bad(
            "PortSecurityAndIPRequiredForSecurityGroups",
            "Port security must be enabled and port must have an IP address in order to use security groups.",
        ));
    }
    if !port.security_groups.is_empty() {
        return Err(Fault::conflict(
            "PortSecurityPortHasSecurityGroup",
            "Port has security group associated. Cannot disable port security or IP address until security group \
             is removed.",
        ));
    }
    Ok(())
}

fn change_mac(model: &Model, port: &mut Port, text: &str) -> Result<(), Fault> {
    if normal_mac(text).as_ref() == Some(&port.mac_address) {
        return Ok(());
    }
    if port.is_bound() {
        return Err(Fault::conflict(
            "PortBound",
            format!(
                "Unable to complete operation on port {}, port is already bound, port type: {}, old_mac {}, new_mac \
                 {text}.",
                port.standard.id, port.vif_type, port.mac_address
            ),
        ));
    }
    port.mac_address = free_mac(model, &port.network_id, text)?;
    // What the host makes from its hardware address follows it.
    let made = model.self_made(&port.network_id, &port.mac_address);
    for ip in &mut port.fixed_ips {
        if let Some(new) = made.iter().find(|made| made.subnet_id == ip.subnet_id) {
            ip.ip_address = new.ip_address;
        }
    }
    Ok(())
}
