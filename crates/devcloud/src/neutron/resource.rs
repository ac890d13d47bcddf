//! What all resources share: how they are found, shown and guarded against changes.

use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::names_in_dns::assignment;
use super::trunks;
use crate::caller::Caller;
use crate::model::network::Network;
use crate::model::port::Port;
use crate::model::security_group::{SecurityGroup, SecurityGroupRule};
use crate::model::standard::Standard;
use crate::model::subnet::Subnet;
use crate::model::subnet_pool::SubnetPool;
use crate::model::trunk::Trunk;
use crate::model::{Model, Table};

/// A kind of resource under `/v2.0`.
pub(crate) trait Resource: Serialize + Clone + Sized + 'static {
    /// Key of one in a body.
    const SINGULAR: &'static str;
    /// Key of many in a body.
    const PLURAL: &'static str;
    /// Segment of the URL.
    const SEGMENT: &'static str;
    /// Attributes only administrators see.
    const ADMIN_ONLY: &'static [&'static str] = &[];

    /// Attributes that a list cannot be filtered by.
    const NO_FILTERS: &'static [&'static str] = &[];

    fn table(model: &Model) -> &Table<Self>;
    fn table_mut(model: &mut Model) -> &mut Table<Self>;
    fn standard(&self) -> &Standard;
    fn standard_mut(&mut self) -> &mut Standard;
    fn not_found(id: &str) -> Fault;

    /// Whether a member of the project may see it.
    fn is_visible(&self, _model: &Model, project: &str) -> bool {
        self.standard().project_id == project
    }

    /// Adds what is computed from other resources.
    fn complete(&self, _model: &Model, _item: &mut Map<String, Value>) {}
}

/// A resource as a caller sees it.
pub(crate) fn render<R: Resource>(resource: &R, model: &Model, caller: &Caller) -> Map<String, Value> {
    let mut item = match serde_json::to_value(resource) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    item.insert("tenant_id".into(), resource.standard().project_id.clone().into());
    resource.complete(model, &mut item);
    if !caller.is_admin {
        item.retain(|key, _| !R::ADMIN_ONLY.contains(&key.as_str()));
    }
    item
}

/// Finds what the caller may see.
pub(crate) fn visible<'a, R: Resource>(model: &'a Model, caller: &Caller, id: &str) -> Result<&'a R, Fault> {
    R::table(model)
        .get(id)
        .filter(|r| caller.is_admin || r.is_visible(model, &caller.project_id))
        .ok_or_else(|| R::not_found(id))
}

/// Finds what the caller may change, and checks `If-Match`.
pub(crate) fn changeable<'a, R: Resource>(
    model: &'a Model,
    caller: &Caller,
    id: &str,
    action: &str,
    if_match: Option<u64>,
) -> Result<&'a R, Fault> {
    let found = visible::<R>(model, caller, id)?;
    if !caller.is_admin && found.standard().project_id != caller.project_id {
        return Err(Fault::policy(&format!("{action}_{}", R::SINGULAR)));
    }
    check_revision(found, if_match)?;
    Ok(found)
}

/// Checks `If-Match`.
pub(crate) fn check_revision<R: Resource>(found: &R, if_match: Option<u64>) -> Result<(), Fault> {
    match if_match {
        Some(expected) if expected != found.standard().revision_number => {
            Err(Fault::revision(expected, found.standard().revision_number))
        }
        _ => Ok(()),
    }
}

/// Reads `If-Match: revision_number=N`. Other conditions are nobody's.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let header = headers.get(http::header::IF_MATCH).and_then(|value| value.to_str().ok());
    let text = header.map(|text| text.trim().trim_matches('"'));
    let Some(wanted) = text.and_then(|text| text.strip_prefix("revision_number=")) else { return Ok(None) };
    wanted.parse().map(Some).map_err(|_| {
        let form = "Revision number etag must be in the format of revision_number=<int>";
        Fault::bad("BadRequest", format!("Bad if-match request: {form}."))
    })
}

macro_rules! resource {
    ($type:ty, $table:ident, $singular:literal, $segment:literal, $missing:literal, |$id:ident| $text:expr, $($rest:tt)*) => {
        impl Resource for $type {
            const SINGULAR: &'static str = $singular;
            const PLURAL: &'static str = stringify!($table);
            const SEGMENT: &'static str = $segment;
            fn table(model: &Model) -> &Table<Self> {
                &model.$table
            }
            fn table_mut(model: &mut Model) -> &mut Table<Self> {
                &mut model.$table
            }
            fn standard(&self) -> &Standard {
                &self.standard
            }
            fn standard_mut(&mut self) -> &mut Standard {
                &mut self.standard
            }
            fn not_found($id: &str) -> Fault {
                Fault::not_found($missing, $text)
            }
            $($rest)*
        }
    };
}

resource! {
    Network,
    networks,
    "network",
    "networks",
    "NetworkNotFound",
    |id| format!("Network {id} could not be found."),
    const ADMIN_ONLY: &'static [&'static str] =
        &["provider:network_type", "provider:segmentation_id", "provider:physical_network"];
    fn is_visible(&self, _model: &Model, project: &str) -> bool {
        self.shared || self.external || self.standard.project_id == project
    }
    fn complete(&self, model: &Model, item: &mut Map<String, Value>) {
        let subnets = model.subnets_of(&self.standard.id).into_iter().map(|s| s.standard.id.clone());
        item.insert("subnets".into(), subnets.collect());
        item.insert("status".into(), "ACTIVE".into());
        for empty in ["availability_zone_hints", "availability_zones"] {
            item.insert(empty.into(), Value::Array(Vec::new()));
        }
        for none in ["ipv4_address_scope", "ipv6_address_scope"] {
            item.insert(none.into(), Value::Null);
        }
    }
}
resource! {
    Subnet,
    subnets,
    "subnet",
    "subnets",
    "SubnetNotFound",
    |id| format!("Subnet {id} could not be found."),
    fn is_visible(&self, model: &Model, project: &str) -> bool {
        self.standard.project_id == project
            || model.networks.get(&self.network_id).is_some_and(|n| n.is_visible(model, project))
    }
    fn complete(&self, _model: &Model, item: &mut Map<String, Value>) {
        item.insert("service_types".into(), Value::Array(Vec::new()));
    }
}
resource! {
    SubnetPool,
    subnetpools,
    "subnetpool",
    "subnetpools",
    "SubnetPoolNotFound",
    |id| format!("Subnet pool {id} could not be found."),
    fn is_visible(&self, _model: &Model, project: &str) -> bool {
        self.shared || self.standard.project_id == project
    }
    fn complete(&self, _model: &Model, item: &mut Map<String, Value>) {
        // Neutron writes these three as text.
        for key in ["default_prefixlen", "min_prefixlen", "max_prefixlen"] {
            if let Some(value) = item.get_mut(key) {
                *value = value.to_string().into();
            }
        }
    }
}
resource! {
    Port,
    ports,
    "port",
    "ports",
    "PortNotFound",
    |id| format!("Port {id} could not be found."),
    const ADMIN_ONLY: &'static [&'static str] =
        &["binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"];
    fn is_visible(&self, model: &Model, project: &str) -> bool {
        self.standard.project_id == project
            || model.networks.get(&self.network_id).is_some_and(|n| n.standard.project_id == project)
    }
    fn complete(&self, model: &Model, item: &mut Map<String, Value>) {
        item.insert("extra_dhcp_opts".into(), Value::Array(Vec::new()));
        item.insert("dns_assignment".into(), assignment(self));
        let network = model.networks.get(&self.network_id);
        let policy = network.and_then(|n| n.qos_policy_id.clone());
        item.insert("qos_network_policy_id".into(), policy.into());
        if let Some(trunk) = model.trunk_on(&self.standard.id) {
            item.insert("trunk_details".into(), trunks::details(trunk, model));
        }
    }
}
resource! {
    SecurityGroup,
    security_groups,
    "security_group",
    "security-groups",
    "SecurityGroupNotFound",
    |id| format!("Security group {id} does not exist"),
    fn complete(&self, model: &Model, item: &mut Map<String, Value>) {
        let rules = model.rules_of(&self.standard.id).filter_map(|r| serde_json::to_value(r).ok());
        item.insert("security_group_rules".into(), rules.collect());
    }
}
resource! {
    SecurityGroupRule,
    security_group_rules,
    "security_group_rule",
    "security-group-rules",
    "SecurityGroupRuleNotFound",
    |id| format!("Security group rule {id} does not exist"),
    fn complete(&self, _model: &Model, item: &mut Map<String, Value>) {
        item.remove("name");
        item.remove("tags");
    }
}
resource! {
    Trunk,
    trunks,
    "trunk",
    "trunks",
    "TrunkNotFound",
    |id| format!("Trunk {id} could not be found."),
    const NO_FILTERS: &'static [&'static str] = &["status", "sub_ports"];
}
