//! `/v2.0/subnetpools`.

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use ipnet::IpNet;

use super::Cloud;
use super::attributes::{Attributes, created, updated};
use super::fault::Fault;
use super::resource::{answer, answer_created, changeable, if_match, render_ids};
use crate::caller::Caller;
use crate::model::Model;
use crate::model::standard::Standard;
use crate::model::subnet_pool::{SubnetPool, merge};

/// `POST`: one or many, all or none.
pub(crate) async fn create(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Response, Fault> {
    let request = created(&body, "subnetpool", "subnetpools", caller.is_admin)?;
    let items = cloud
        .change(|model| {
            let ids = request
                .items
                .into_iter()
                .map(|item| add(model, &caller, item))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(render_ids::<SubnetPool>(model, &caller, &ids))
        })
        .await?;
    Ok(answer_created::<SubnetPool>(items, request.bulk))
}

fn add(model: &mut Model, caller: &Caller, mut item: Attributes) -> Result<String, Fault> {
    let owner = item.owner(&caller.project_id)?;
    if !model.has_room(&owner, "subnetpool") {
        return Err(Fault::over_quota("subnetpool"));
    }
    let name = item.required("name")?;
    let prefixes = item.list::<IpNet>("prefixes", "IP subnet")?.ok_or_else(|| {
        Fault::request("Failed to parse request. Required attribute 'prefixes' not specified")
    })?;
    let (first, ip_version) = check_prefixes(&prefixes)?;
    let longest = first.max_prefix_len();
    let min = item.number::<u8>("min_prefixlen")?.unwrap_or(if longest == 32 { 8 } else { 64 });
    let max = item.number::<u8>("max_prefixlen")?.unwrap_or(longest);
    let pool = SubnetPool {
        standard: Standard::new(&owner, name, item.text("description")?.unwrap_or_default()),
        prefixes: merge(&prefixes),
        default_prefixlen: item.number("default_prefixlen")?.unwrap_or(min),
        min_prefixlen: min,
        max_prefixlen: max,
        ip_version,
        shared: item.boolean_admin("shared", false)?.unwrap_or_default(),
        is_default: item.boolean_admin("is_default", false)?.unwrap_or_default(),
        default_quota: item.number("default_quota")?,
        address_scope_id: None,
    };
    item.take("address_scope_id");
    item.finish()?;
    check_lengths(&pool, longest)?;
    check_default(model, &pool)?;
    let id = pool.standard.id.clone();
    model.subnetpools.insert(id.clone(), pool);
    Ok(id)
}

fn check_prefixes(prefixes: &[IpNet]) -> Result<(IpNet, u8), Fault> {
    let Some(first) = prefixes.first() else {
        return Err(Fault::bad("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list."));
    };
    if prefixes.iter().any(|p| p.max_prefix_len() != first.max_prefix_len()) {
        return Err(Fault::bad(
            "PrefixVersionMismatch",
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.",
        ));
    }
    Ok((*first, if first.max_prefix_len() == 32 { 4 } else { 6 }))
}

fn check_lengths(pool: &SubnetPool, longest: u8) -> Result<(), Fault> {
    let (min, max, default) = (pool.min_prefixlen, pool.max_prefixlen, pool.default_prefixlen);
    let illegal = |what: &str, length: u8, relation: &str, base: &str, bound: u8| {
        Err(Fault::bad(
            "IllegalSubnetPoolPrefixBounds",
            format!("Illegal prefix bounds: {what}={length}, {base}={bound} {relation}."),
        ))
    };
    if max > longest {
        return illegal("max_prefixlen", max, "exceeded", "ip_version_max", longest);
    }
    if min > max {
        return illegal("min_prefixlen", min, "exceeded", "max_prefixlen", max);
    }
    if default < min {
        return illegal("default_prefixlen", default, "not reached", "min_prefixlen", min);
    }
    if default > max {
        return illegal("default_prefixlen", default, "exceeded", "max_prefixlen", max);
    }
    Ok(())
}

fn check_default(model: &Model, pool: &SubnetPool) -> Result<(), Fault> {
    let other = model
        .subnetpools
        .values()
        .find(|p| p.is_default && p.ip_version == pool.ip_version && p.standard.id != pool.standard.id);
    match other {
        Some(other) if pool.is_default => Err(Fault::input(format!(
            "A default subnetpool for this IP family has already been set: {}. Only one default may exist per IP \
             family",
            other.standard.id
        ))),
        _ => Ok(()),
    }
}

/// `PUT`: prefixes may only grow.
pub(crate) async fn update(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let mut item = updated(&body, "subnetpool", caller.is_admin)?;
    let guard = if_match(&headers)?;
    let mut items = cloud
        .change(|model| {
            let mut pool = changeable::<SubnetPool>(model, &caller, &id, "update", guard)?.clone();
            if let Some(name) = item.text("name")? {
                pool.standard.name = name;
            }
            if let Some(description) = item.text("description")? {
                pool.standard.description = description;
            }
            if let Some(prefixes) = item.list::<IpNet>("prefixes", "IP subnet")? {
                let wanted = merge(&prefixes);
                if !pool.prefixes.iter().all(|old| wanted.iter().any(|new| new.contains(old))) {
                    return Err(Fault::bad(
                        "IllegalSubnetPoolPrefixUpdate",
                        "Illegal update to prefixes: existing prefixes must be a subset of the new prefixes.",
                    ));
                }
                check_prefixes(&wanted)?;
                pool.prefixes = wanted;
            }
            if let Some(length) = item.number("default_prefixlen")? {
                pool.default_prefixlen = length;
            }
            if let Some(length) = item.number("min_prefixlen")? {
                pool.min_prefixlen = length;
            }
            if let Some(length) = item.number("max_prefixlen")? {
                pool.max_prefixlen = length;
            }
            if let Some(on) = item.boolean_admin("is_default", pool.is_default)? {
                pool.is_default = on;
            }
            item.finish()?;
            check_lengths(&pool, if pool.ip_version == 4 { 32 } else { 128 })?;
            check_default(model, &pool)?;
            pool.standard.bump();
            model.subnetpools.insert(id.clone(), pool);
            Ok(render_ids::<SubnetPool>(model, &caller, std::slice::from_ref(&id)))
        })
        .await?;
    Ok(answer::<SubnetPool>(StatusCode::OK, items.pop().unwrap_or_default()))
}

/// `DELETE`: refused, with status 400 as Neutron does, while a subnet is cut from it.
pub(crate) async fn delete(
    State(cloud): State<Cloud>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let guard = if_match(&headers)?;
    cloud
        .change(|model| {
            changeable::<SubnetPool>(model, &caller, &id, "delete", guard)?;
            if model.subnets.values().any(|s| s.subnetpool_id.as_deref() == Some(&id)) {
                return Err(Fault::bad(
                    "SubnetPoolDeleteError",
                    "Unable to delete subnet pool: Subnet pool has existing allocations.",
                ));
            }
            model.subnetpools.remove(&id);
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
