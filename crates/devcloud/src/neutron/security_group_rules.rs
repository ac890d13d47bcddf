//! `/v2.0/security-group-rules`.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use ipnet::IpNet;
use serde_json::Value;

use super::Cloud;
use super::attributes::{Attributes, created};
use super::collection::answer_created;
use super::fault::Fault;
use super::resource::{changeable, visible};
use crate::caller::Caller;
use crate::model::Model;
use crate::model::security_group::{PROTOCOLS, SecurityGroup, SecurityGroupRule, protocol_number};
use crate::model::standard::Standard;

/// Protocols with port numbers: dccp, sctp, tcp, udp, udplite.
const WITH_PORTS: [u8; 5] = [33, 132, 6, 17, 136];

/// `POST`: one or many of one group, all or none.
pub(crate) async fn create(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = created(&body, "security_group_rule", "security_group_rules", caller.is_admin)?;
    let add_all = |model: &mut Model| {
        let mut rules = Vec::new();
        for item in request.items {
            rules.push(read(model, &caller, item)?);
        }
        if rules.iter().zip(rules.iter().skip(1)).any(|(a, b)| a.security_group_id != b.security_group_id) {
            return Err(Fault::bad(
                "SecurityGroupNotSingleGroupRules",
                "Only allowed to update rules for one security profile at a time.",
            ));
        }
        rules.into_iter().map(|rule| add(model, rule)).collect()
    };
    let items = cloud.change_and_render::<SecurityGroupRule>(&caller, false, add_all).await?;
    Ok(answer_created::<SecurityGroupRule>(items, request.bulk))
}

fn add(model: &mut Model, rule: SecurityGroupRule) -> Result<String, Fault> {
    if let Some(twin) = model.rules_of(&rule.security_group_id).find(|r| r.same_as(&rule)) {
        return Err(Fault::conflict(
            "SecurityGroupRuleExists",
            format!("Security group rule already exists. Rule id is {}.", twin.standard.id),
        ));
    }
    if !model.has_room(&rule.standard.project_id, "security_group_rule") {
        return Err(Fault::over_quota("security_group_rule"));
    }
    if let Some(group) = model.security_groups.get_mut(&rule.security_group_id) {
        group.standard.bump();
    }
    let id = rule.standard.id.clone();
    model.security_group_rules.insert(id.clone(), rule);
    Ok(id)
}

fn one_of(name: &str, text: &str, allowed: [&str; 2]) -> Result<String, Fault> {
    allowed
        .iter()
        .find(|a| a.eq_ignore_ascii_case(text))
        .map(|a| (*a).to_owned())
        .ok_or_else(|| Fault::attribute(name, format!("'{text}' is not in {allowed:?}")))
}

fn read(model: &Model, caller: &Caller, mut item: Attributes) -> Result<SecurityGroupRule, Fault> {
    let owner = item.owner(&caller.project_id)?;
    let group_id = item.required("security_group_id")?;
    visible::<SecurityGroup>(model, caller, &group_id)?;
    let direction = one_of("direction", &item.required("direction")?, ["ingress", "egress"])?;
    let ethertype = item.text("ethertype")?.unwrap_or_else(|| "IPv4".into());
    let ethertype = one_of("ethertype", &ethertype, ["IPv4", "IPv6"])?;
    let rule = SecurityGroupRule {
        standard: Standard::new(&owner, String::new(), item.text("description")?.unwrap_or_default())
            .made_at_once(),
        security_group_id: group_id,
        direction,
        ethertype,
        protocol: protocol(&mut item)?,
        port_range_min: item.number("port_range_min")?,
        port_range_max: item.number("port_range_max")?,
        remote_ip_prefix: prefix(&mut item)?,
        remote_group_id: item.nullable("remote_group_id")?.flatten(),
        remote_address_group_id: None,
    };
    item.take("remote_address_group_id");
    item.finish()?;
    check_remote(model, caller, &rule)?;
    check_ports(&rule)?;
    Ok(rule)
}

fn protocol(item: &mut Attributes) -> Result<Option<String>, Fault> {
    let text = match item.take("protocol") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.to_lowercase(),
        Some(other) => other.to_string(),
    };
    // 0 and "any" mean no restriction.
    if text.is_empty() || text == "any" || text == "0" {
        return Ok(None);
    }
    if protocol_number(&text).is_none() {
        let known: Vec<_> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
        return Err(Fault::bad(
            "SecurityGroupRuleInvalidProtocol",
            format!(
                "Security group rule protocol {text} not supported. Only protocol values {known:?} and integer \
                 representations [0 to 255] are supported."
            ),
        ));
    }
    Ok(Some(text))
}

fn prefix(item: &mut Attributes) -> Result<Option<IpNet>, Fault> {
    let Some(text) = item.nullable("remote_ip_prefix")?.flatten() else { return Ok(None) };
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    parsed
        .map(Some)
        .map_err(|_| Fault::attribute("remote_ip_prefix", format!("'{text}' is not a valid IP subnet")))
}

fn check_remote(model: &Model, caller: &Caller, rule: &SecurityGroupRule) -> Result<(), Fault> {
    if let Some(group) = &rule.remote_group_id {
        visible::<SecurityGroup>(model, caller, group)?;
        if rule.remote_ip_prefix.is_some() {
            return Err(Fault::bad(
                // Neutron spells it so.
                "SecurityGroupMultipleRemoteEntites",
                "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            ));
        }
    }
    match rule.remote_ip_prefix {
        Some(prefix) if matches!(prefix, IpNet::V6(_)) != (rule.ethertype == "IPv6") => Err(Fault::bad(
            "SecurityGroupRuleParameterConflict",
            format!("Conflicting value ethertype {} for CIDR {prefix}", rule.ethertype),
        )),
        _ => Ok(()),
    }
}

fn check_ports(rule: &SecurityGroupRule) -> Result<(), Fault> {
    let (first, last) = (rule.port_range_min, rule.port_range_max);
    if first.is_none() && last.is_none() {
        return Ok(());
    }
    let Some(number) = rule.protocol.as_deref().and_then(protocol_number) else {
        return Err(Fault::bad(
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        ));
    };
    if matches!(number, 1 | 58) {
        for (field, value) in [("port_range_min", first), ("port_range_max", last)] {
            if let Some(value) = value.filter(|v| *v > 255) {
                return Err(Fault::bad(
                    "SecurityGroupInvalidIcmpValue",
                    format!("Invalid value for ICMP {field} -- {value}. It must be 0 to 255."),
                ));
            }
        }
        if first.is_none() {
            return Err(Fault::bad(
                "SecurityGroupMissingIcmpType",
                "ICMP code (port-range-max) is provided but ICMP type (port-range-min) is missing.",
            ));
        }
        return Ok(());
    }
    if !WITH_PORTS.contains(&number) {
        return Err(Fault::bad(
            "SecurityGroupInvalidProtocolForPort",
            format!(
                "Invalid protocol {number} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP."
            ),
        ));
    }
    match (first, last) {
        (Some(first), Some(last)) if (1..=last).contains(&first) => Ok(()),
        _ => Err(Fault::bad(
            "SecurityGroupInvalidPortRange",
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
        )),
    }
}

/// `DELETE`.
pub(crate) async fn delete(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    cloud
        .change(|model| {
            let group = changeable::<SecurityGroupRule>(model, &caller, &id, "delete", None)?
                .security_group_id
                .clone();
            model.security_group_rules.remove(&id);
            if let Some(group) = model.security_groups.get_mut(&group) {
                group.standard.bump();
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
