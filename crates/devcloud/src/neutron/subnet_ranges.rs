//! Which range a new subnet gets: from a pool or as asked, and what it must not collide with.

use http::StatusCode;
use ipnet::IpNet;

use super::attributes::Attributes;
use super::fault::Fault;
use super::resource::visible;
use crate::caller::Caller;
use crate::model::Model;
use crate::model::subnet::{Subnet, overlap};
use crate::model::subnet_pool::SubnetPool;

/// The family asked for, which pool and range must agree with.
pub(crate) fn ip_version(
    item: &mut Attributes,
    cidr: Option<IpNet>,
    pool: Option<&SubnetPool>,
) -> Result<u8, Fault> {
    let version = match (item.number::<u8>("ip_version")?, pool) {
        (Some(v @ (4 | 6)), _) => v,
        (Some(other), _) => {
            return Err(Fault::attribute("ip_version", format!("'{other}' is not in [4, 6]")));
        }
        (None, Some(pool)) => pool.ip_version,
        (None, None) => {
            return Err(Fault::input(
                "ip_version must be specified in the absence of cidr and subnetpool_id",
            ));
        }
    };
    if pool.is_some_and(|p| p.ip_version != version) {
        return Err(Fault::input(format!(
            "Cannot allocate IPv{version} subnet from a subnet pool of the other IP version"
        )));
    }
    match cidr {
        Some(cidr) if (cidr.max_prefix_len() == 32) != (version == 4) => {
            Err(Fault::input(format!("Cidr '{cidr}' does not match the ip_version '{version}'")))
        }
        _ => Ok(version),
    }
}

/// The pool named, or the default one when it is asked for. A bare cidr takes none.
pub(crate) fn choose_pool(
    model: &Model,
    caller: &Caller,
    item: &mut Attributes,
    cidr: Option<IpNet>,
) -> Result<Option<SubnetPool>, Fault> {
    let wants_default = item.boolean("use_default_subnetpool")?.unwrap_or_default();
    if let Some(id) = item.nullable("subnetpool_id")?.flatten() {
        if wants_default {
            return Err(Fault::input("subnetpool_id and use_default_subnetpool cannot both be specified"));
        }
        return visible::<SubnetPool>(model, caller, &id).cloned().map(Some);
    }
    if !wants_default || cidr.is_some() {
        return Ok(None);
    }
    let version = item.number::<u8>("ip_version")?.unwrap_or(4);
    let pool = model.subnetpools.values().find(|p| p.is_default && p.ip_version == version);
    pool.cloned().map(Some).ok_or_else(|| {
        Fault::not_found(
            "DefaultSubnetPoolNotFound",
            format!("No default subnetpool found for IPv{version}."),
        )
    })
}

/// All subnets of one family on a network come from the same pool.
pub(crate) fn check_affinity(
    model: &Model,
    network_id: &str,
    ip_version: u8,
    pool: Option<&SubnetPool>,
) -> Result<(), Fault> {
    let differs = |subnet: &&Subnet| match pool {
        Some(pool) => subnet.subnetpool_id.as_deref() != Some(&pool.standard.id),
        None => subnet.subnetpool_id.is_some(),
    };
    let mixed = model.subnets_of(network_id).iter().any(|s| s.ip_version == ip_version && differs(s));
    if mixed {
        return Err(Fault::bad(
            "NetworkSubnetPoolAffinityError",
            "Subnets hosted on the same network must be allocated from the same subnet pool.",
        ));
    }
    Ok(())
}

/// A range of the pool: the one asked for if it is free, or the first free one of the length.
pub(crate) fn allocate(
    model: &Model,
    pool: &SubnetPool,
    cidr: Option<IpNet>,
    prefixlen: Option<u8>,
) -> Result<IpNet, Fault> {
    let id = pool.standard.id.as_str();
    let taken: Vec<IpNet> =
        model.subnets.values().filter(|s| s.subnetpool_id.as_deref() == Some(id)).map(|s| s.cidr).collect();
    if cidr.is_some() && prefixlen.is_some() {
        return Err(Fault::bad(
            "BadRequest",
            "Bad subnets request: cidr and prefixlen must not be supplied together.",
        ));
    }
    let length = cidr.map(|c| c.prefix_len()).or(prefixlen).unwrap_or(pool.default_prefixlen);
    if length < pool.min_prefixlen {
        return Err(Fault::bad(
            "MinPrefixSubnetAllocationError",
            format!(
                "Unable to allocate subnet with prefix length {length}, minimum allowed prefix is {}.",
                pool.min_prefixlen
            ),
        ));
    }
    if length > pool.max_prefixlen {
        return Err(Fault::bad(
            "MaxPrefixSubnetAllocationError",
            format!(
                "Unable to allocate subnet with prefix length {length}, maximum allowed prefix is {}.",
                pool.max_prefixlen
            ),
        ));
    }
    // Neutron has no status for it, so it is an internal error.
    let failed = |reason: &str| {
        let text = format!("Failed to allocate subnet: {reason}.");
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "SubnetAllocationError", text)
    };
    match cidr {
        Some(cidr) => {
            let cidr = cidr.trunc();
            if !pool.holds(&cidr) || taken.iter().any(|t| overlap(t, &cidr)) {
                return Err(failed("Cannot allocate requested subnet from the available set of prefixes"));
            }
            Ok(cidr)
        }
        None => pool
            .first_fit(length, &taken)
            .ok_or_else(|| failed(&format!("Insufficient prefix space to allocate subnet size /{length}"))),
    }
}

/// Subnets of one network do not overlap.
pub(crate) fn check_overlap(model: &Model, network_id: &str, cidr: &IpNet) -> Result<(), Fault> {
    if model.subnets_of(network_id).iter().any(|s| overlap(&s.cidr, cidr)) {
        return Err(Fault::input(format!(
            "Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet"
        )));
    }
    Ok(())
}

/// Ranges no subnet can have.
pub(crate) fn check_range(cidr: &IpNet) -> Result<(), Fault> {
    if cidr.prefix_len() == 0 {
        return Err(Fault::input("0 is not allowed as CIDR prefix length"));
    }
    Ok(())
}
