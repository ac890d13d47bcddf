//! Attributes of ports the user chose, with names looked up: what a create or update request must say for them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openstack::network::{AddressPair, Port, PortExtras};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::CloudContext;
use crate::options::{
    DNS_NAME, PAIRS, PORT_SECURITY, PROFILE, PortOptions, QOS_POLICY, SECURITY_GROUPS, VNIC_TYPE,
    security_is_off,
};
use crate::pools::only;
use crate::service::Inner;
use crate::{Error, Result};

/// What is wanted of a port; `None` leaves Neutron's own way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Attributes {
    /// Ids.
    pub(crate) security_groups: Option<Vec<String>>,
    pub(crate) port_security: Option<bool>,
    /// Id.
    pub(crate) qos_policy: Option<String>,
    pub(crate) pairs: Option<Vec<AddressPair>>,
    pub(crate) dns_name: Option<String>,
    pub(crate) profile: Option<Map<String, Value>>,
    pub(crate) vnic_type: Option<String>,
}

impl Attributes {
    /// For the request that creates a port.
    pub(crate) fn extras(&self) -> PortExtras {
        PortExtras {
            vnic_type: self.vnic_type.clone(),
            profile: self.profile.clone(),
            port_security_enabled: self.port_security,
            qos_policy_id: self.qos_policy.clone().map(Some),
            allowed_address_pairs: self.pairs.clone(),
            dns_name: self.dns_name.clone(),
        }
    }

    /// These, and those of `base` for all that these leave open.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            security_groups: self.security_groups.or(base.security_groups),
            port_security: self.port_security.or(base.port_security),
            qos_policy: self.qos_policy.or(base.qos_policy),
            pairs: self.pairs.or(base.pairs),
            dns_name: self.dns_name.or(base.dns_name),
            profile: self.profile.or(base.profile),
            vnic_type: self.vnic_type.or(base.vnic_type),
        }
    }

    /// What differs on an existing port.
    pub(crate) fn changes(&self, port: &Port) -> PortExtras {
        // Neutron refuses to switch it off while there are pairs.
        let off = self.port_security == Some(false);
        let pairs = if off { Some(Vec::new()) } else { self.pairs.clone() };
        PortExtras {
            vnic_type: self.vnic_type.clone().filter(|v| port.vnic_type.as_ref() != Some(v)),
            profile: self.profile.clone().filter(|p| port.profile != *p),
            port_security_enabled: self.port_security.filter(|p| port.port_security_enabled != Some(*p)),
            qos_policy_id: self
                .qos_policy
                .clone()
                .filter(|q| port.qos_policy_id.as_ref() != Some(q))
                .map(Some),
            allowed_address_pairs: pairs.filter(|p| port.allowed_address_pairs != *p),
            dns_name: self.dns_name.clone().filter(|n| port.dns_name.as_ref() != Some(n)),
        }
    }

    /// The groups of the port, before those for exposed ports: the user's, none without security, or those it has.
    pub(crate) fn groups(&self, port: &Port) -> Vec<String> {
        match (&self.security_groups, self.port_security) {
            (_, Some(false)) => Vec::new(),
            (Some(groups), _) => groups.clone(),
            (None, _) => port.security_groups.clone(),
        }
    }

    /// Whether the port has anti-spoofing and security groups once these attributes are set.
    pub(crate) fn secures(&self, port: &Port) -> bool {
        self.port_security.or(port.port_security_enabled).unwrap_or(true)
    }

    /// Refuses what an endpoint wants of a port whose network's containers have no security.
    pub(crate) fn check_under(&self, network: &Self) -> Result<()> {
        if network.port_security != Some(false) || self.port_security.is_some() {
            return Ok(());
        }
        let both = [(SECURITY_GROUPS, self.security_groups.is_some()), (PAIRS, self.pairs.is_some())];
        match both.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(security_is_off(key)),
            None => Ok(()),
        }
    }
}

/// Ids of names already looked up.
#[derive(Debug, Default)]
pub(crate) struct KnownIds(Mutex<HashMap<(&'static str, String), String>>);

impl KnownIds {
    fn get(&self, what: &'static str, name: &str) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(what, name.to_owned())).cloned()
    }

    fn put(&self, what: &'static str, name: &str, id: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((what, name.to_owned()), id.to_owned());
    }

    /// Somebody deleted one of them: all are looked up again.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

const GROUP: &str = "security group";
const POLICY: &str = "QoS policy";

impl Inner {
    /// Looks names up and refuses what Neutron lacks. Changes nothing; without options it asks nothing.
    ///
    /// # Errors
    /// An attribute whose extension Neutron lacks; a name or id that nothing or several have; Neutron fails.
    pub(crate) async fn resolve(&self, wanted: &PortOptions) -> Result<Attributes> {
        let needs = [
            (wanted.groups.is_some(), SECURITY_GROUPS, "security-group"),
            (wanted.port_security.is_some(), PORT_SECURITY, "port-security"),
            (wanted.qos_policy.is_some(), QOS_POLICY, "qos"),
            (wanted.pairs.is_some(), PAIRS, "allowed-address-pairs"),
            (wanted.dns_name.is_some(), DNS_NAME, "dns-integration"),
            (wanted.profile.is_some(), PROFILE, "binding"),
            (wanted.vnic_type.is_some(), VNIC_TYPE, "binding"),
        ];
        for (_, key, extension) in needs.into_iter().filter(|(given, ..)| *given) {
            let known = self.known_extensions().await.doing("list extensions of", "Neutron")?;
            if !known.contains(extension) {
                let reason = format!("Neutron lacks the extension `{extension}`; drop the option");
                return Err(Error::Invalid { what: "option", resource: key.to_owned(), reason });
            }
        }
        let groups = match &wanted.groups {
            Some(names) => {
                let mut ids: Vec<String> = Vec::new();
                for name in names {
                    let id = self.group_id(name).await?;
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                Some(ids)
            }
            None => None,
        };
        let qos_policy = match &wanted.qos_policy {
            Some(name) => Some(self.policy_id(name).await?),
            None => None,
        };
        Ok(Attributes {
            security_groups: groups,
            port_security: wanted.port_security,
            qos_policy,
            pairs: wanted.pairs.clone(),
            dns_name: wanted.dns_name.clone(),
            profile: wanted.profile.clone(),
            vnic_type: wanted.vnic_type.clone(),
        })
    }

    /// As [`Self::resolve`], with names looked up anew: for what is kept longer than one request.
    pub(crate) async fn resolve_afresh(&self, wanted: &PortOptions) -> Result<Attributes> {
        if wanted.groups.is_some() || wanted.qos_policy.is_some() {
            self.known_ids.forget();
        }
        self.resolve(wanted).await
    }

    async fn group_id(&self, name: &str) -> Result<String> {
        if let Some(id) = self.known_ids.get(GROUP, name) {
            return Ok(id);
        }
        let filter = [(filter_of(name), name)];
        let found = self.neutron.list_security_groups(&filter).await.doing("find security group", name)?;
        let found = found.into_iter().map(|g| (g.id, g.name)).collect();
        self.one(GROUP, name, found, "check it with `openstack security group list`")
    }

    async fn policy_id(&self, name: &str) -> Result<String> {
        if let Some(id) = self.known_ids.get(POLICY, name) {
            return Ok(id);
        }
        let filter = [(filter_of(name), name)];
        let found = self.neutron.list_qos_policies(&filter).await.doing("find QoS policy", name)?;
        let found = found.into_iter().map(|p| (p.id, p.name)).collect();
        self.one(POLICY, name, found, "check it with `openstack network qos policy list`")
    }

    fn one(
        &self,
        what: &'static str,
        name: &str,
        mut found: Vec<(String, String)>,
        advice: &'static str,
    ) -> Result<String> {
        // Never take an answer for a match because a filter was not understood.
        found.retain(|(id, named)| if filter_of(name) == "id" { id == name } else { named == name });
        let absent = || Error::NotFound { what, resource: name.to_owned(), advice };
        let (id, _) = only(what, name, found, |(id, _)| id.clone(), absent)?;
        self.known_ids.put(what, name, &id);
        Ok(id)
    }
}

/// What looks like an id is one: OpenStack's own tools read it so too.
fn filter_of(name: &str) -> &'static str {
    match uuid::Uuid::try_parse(name) {
        Ok(id) if id.hyphenated().to_string() == name => "id",
        _ => "name",
    }
}
