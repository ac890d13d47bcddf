//! SR-IOV: the container gets the virtual function's own link; the card is told its MAC and VLAN.

use openstack::network::Port;
use serde_json::Value;

use crate::error::DeviceContext;
use crate::host::{FunctionSettings, HostError};
use crate::state::{Driver, Plug};
use crate::{Error, Host, Result, names};

pub(super) async fn validate(host: &Host, port: &Port, plug: &mut Plug) -> Result<()> {
    let refuse = |reason: String| Error::Conflict { what: "port", resource: port.id.clone(), reason };
    let slot = port.profile.get("pci_slot").and_then(Value::as_str).unwrap_or_default();
    if !names::is_pci_slot(slot) {
        let shown: String = slot.chars().take(40).collect();
        return Err(refuse(format!(
            "its binding:profile has pci_slot `{shown}`; set it to the PCI address of a virtual function of this host, \
             such as 0000:06:10.1"
        )));
    }
    let vlan =
        vlan_of(port).ok_or_else(|| refuse("Neutron names no VLAN between 0 and 4094 for it".to_owned()))?;
    let found = host.functions.find(slot).await.on_device("look up", slot)?;
    let function = found.ok_or_else(|| {
        refuse(format!("this host has no virtual function at {slot}; check pci_slot and the port's host"))
    })?;
    let link = function.link.ok_or_else(|| {
        refuse(format!(
            "the virtual function at {slot} has no link here; it is in use by another container or has no network driver"
        ))
    })?;
    plug.host.clone_from(&link);
    plug.container = link;
    plug.driver = Driver::Sriov { slot: slot.to_owned(), vlan };
    Ok(())
}

/// `vif_details.vlan`: a number, which Neutron writes as text.
fn vlan_of(port: &Port) -> Option<u16> {
    let vlan = match port.vif_details.get("vlan") {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_u64().and_then(|vlan| u16::try_from(vlan).ok()),
    };
    vlan.filter(|vlan| *vlan < 4095)
}

pub(super) async fn setup(host: &Host, plug: &Plug, slot: &str, vlan: u16) -> Result<()> {
    let found = host.functions.find(slot).await.on_device("look up", slot)?;
    let Some(function) = found else {
        let reason = format!("the virtual function at {slot} is gone; check the network card");
        return Err(Error::Conflict { what: "port", resource: plug.port_id.clone(), reason });
    };
    let settings = FunctionSettings { mac: Some(plug.mac), vlan };
    host.functions.configure(&function, settings).await.on_device("set MAC and VLAN of", slot)
}

/// Takes the function out of the VLAN; the device is nobody's to remove. One that has got another address since is in
/// somebody else's use, or was never told ours: its VLAN is not ours to change.
pub(super) async fn teardown(host: &Host, plug: &Plug, slot: &str) -> Vec<Error> {
    restore(host, plug, slot).await.on_device("restore", slot).err().into_iter().collect()
}

async fn restore(host: &Host, plug: &Plug, slot: &str) -> std::result::Result<(), HostError> {
    let Some(function) = host.functions.find(slot).await? else { return Ok(()) };
    match host.functions.mac(&function).await {
        Ok(Some(mac)) if mac != plug.mac => {
            tracing::warn!(slot, %mac, "the virtual function has another MAC than the port's, left alone");
            return Ok(());
        }
        // A card that does not answer must not keep the endpoint for ever.
        Err(error) => {
            tracing::warn!(slot, %error, "cannot tell whether the virtual function is in other use")
        }
        Ok(_) => {}
    }
    host.functions.configure(&function, FunctionSettings { mac: None, vlan: 0 }).await
}
