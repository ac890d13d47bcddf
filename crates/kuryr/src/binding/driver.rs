//! Which driver plugs a port, from what Neutron says about its binding.

use openstack::network::Port;

use super::Binding;
use crate::{Error, Result, names};

/// A driver of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tap,
    Bridge,
    Ovs { hybrid: bool },
    Hook,
    Sriov,
}

/// Refuses a port that asks for hardware: a virtual machine's containers have none.
pub(super) fn check_vnic_type(binding: &Binding<'_>, port: &Port) -> Result<()> {
    let wanted = port.vnic_type.as_deref().unwrap_or_default();
    if matches!(wanted, "" | "normal") {
        return Ok(());
    }
    let mode = binding.guest.mode().map(crate::guest::GuestMode::name).unwrap_or_default();
    Err(Error::Conflict {
        what: "port",
        resource: port.id.clone(),
        reason: format!(
            "its binding:vnic_type is {wanted}; [binding] driver = {mode} serves normal ports only"
        ),
    })
}

impl Binding<'_> {
    pub(super) fn driver(&self, port: &Port) -> Result<Kind> {
        let vif_type = port.vif_type.as_deref().filter(|vif| !vif.is_empty()).unwrap_or("unbound");
        let refuse = |advice: &'static str| Error::Binding {
            port: port.id.clone(),
            vif_type: vif_type.chars().take(40).collect(),
            host: self.name.to_owned(),
            advice,
        };
        match vif_type {
            "binding_failed" => {
                return Err(refuse(
                    "check that an agent on this host is up and that [DEFAULT] host is the name it reports",
                ));
            }
            "unbound" => {
                return Err(refuse(
                    "check that [DEFAULT] host is set and that the credentials may bind ports (admin or service)",
                ));
            }
            _ => {}
        }
        match port.vnic_type.as_deref().unwrap_or_default() {
            "" | "normal" => {}
            "direct" | "direct-physical" | "macvtap" => {
                return match vif_type {
                    "hw_veb" | "hostdev_physical" | "macvtap" => Ok(Kind::Sriov),
                    _ => Err(refuse(
                        "a port of an SR-IOV vnic_type needs the SR-IOV mechanism driver (`sriovnicswitch`); hardware \
                         offload with representors is not served",
                    )),
                };
            }
            _ => {
                return Err(refuse(
                    "its binding:vnic_type is not served; use normal, direct, direct-physical or macvtap",
                ));
            }
        }
        let native = match vif_type {
            "tap" => Some(Kind::Tap),
            "bridge" => Some(Kind::Bridge),
            "ovs" => {
                Some(Kind::Ovs { hybrid: port.vif_details.get("ovs_hybrid_plug") == Some(&true.into()) })
            }
            _ => None,
        };
        if let Some(kind) = native.filter(|_| !self.scripted.contains(vif_type)) {
            return Ok(kind);
        }
        if names::is_vif_type(vif_type) && self.host.hooks.has(vif_type) {
            return Ok(Kind::Hook);
        }
        Err(refuse(match vif_type {
            "vhostuser" => {
                "it is for virtual machines only; let the agent of this host use a datapath that binds `ovs`, or put an \
                 executable `vhostuser` into [DEFAULT] bindir"
            }
            "ovs" | "bridge" | "tap" => {
                "[binding] script_vif_types names it, but [DEFAULT] bindir has no executable of that name"
            }
            _ => {
                "`ovs`, `bridge` and `tap` are plugged natively; for another one put an executable of its name into \
                 [DEFAULT] bindir"
            }
        }))
    }
}
