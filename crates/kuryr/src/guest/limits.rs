//! What cannot be had inside a virtual machine, refused by name instead of having no effect.

use openstack::MacAddr;

use super::{Guest, GuestMode};
use crate::options::{PAIRS, PORT_SECURITY, PROFILE, PortOptions, QOS_POLICY, SECURITY_GROUPS, VNIC_TYPE};
use crate::{Error, Result};

impl Guest {
    /// Refuses what a network wants of its containers' ports.
    ///
    /// # Errors
    /// The first option that would have no effect.
    pub(crate) fn check_network(&self, wanted: &PortOptions) -> Result<()> {
        let Some(mode) = self.mode() else { return Ok(()) };
        let shared = !mode.needs_trunk();
        let nic = wanted.vnic_type.as_deref().is_some_and(|nic| nic != "normal");
        let given = [
            (SECURITY_GROUPS, wanted.groups.is_some() && shared),
            (PORT_SECURITY, wanted.port_security.is_some() && shared),
            (QOS_POLICY, wanted.qos_policy.is_some() && shared),
            (PAIRS, wanted.pairs.is_some() && shared),
            (PROFILE, wanted.profile.is_some()),
            (VNIC_TYPE, nic),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(no_effect(mode, key)),
            None => Ok(()),
        }
    }

    /// Refuses what a container wants of its port. `opens`: ports are to be opened in a security group.
    ///
    /// # Errors
    /// The first thing that would have no effect.
    pub(crate) fn check_endpoint(
        &self,
        wanted: &PortOptions,
        mac: Option<MacAddr>,
        opens: bool,
    ) -> Result<()> {
        let Some(mode) = self.mode() else { return Ok(()) };
        self.check_network(wanted)?;
        if let Some(mac) = mac.filter(|_| mode.shares_mac()) {
            return Err(Error::Invalid {
                what: "MAC address",
                resource: mac.to_string(),
                reason: format!(
                    "containers of [binding] driver = {} have this virtual machine's; drop --mac-address, and restart \
                     Docker if nobody gave it, since Docker learns only once whether it is to invent one; or use \
                     vlan",
                    mode.name()
                ),
            });
        }
        if opens && !mode.needs_trunk() {
            return Err(Error::Invalid {
                what: "exposed ports",
                resource: format!("of a container with driver {}", mode.name()),
                reason: "they cannot be opened for one container, since the security groups of this virtual machine's \
                         port decide for all: open them there, and drop --expose and --publish or set [DEFAULT] \
                         process_external_connectivity = False; or use [binding] driver = vlan"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

fn no_effect(mode: GuestMode, key: &str) -> Error {
    let reason = if mode.needs_trunk() {
        "ports in a trunk have no device of their own; drop it"
    } else {
        "it would have no effect: containers send through this virtual machine's port; drop it and set it there, or use \
         [binding] driver = vlan"
    };
    Error::Invalid {
        what: "option",
        resource: format!("{key} with driver {}", mode.name()),
        reason: reason.to_owned(),
    }
}
