//! `/v2.0/subnetpools`.

use ipnet::IpNet;

use super::attributes::Attributes;
use super::collection::Writable;
use super::fault::Fault;
use crate::caller::Caller;
use crate::model::Model;
use crate::model::standard::Standard;
use crate::model::subnet_pool::{SubnetPool, merge};

impl Writable for SubnetPool {
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
            standard: Standard::new(&owner, name, item.text("description")?.unwrap_or_default())
                .made_at_once(),
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

    /// Prefixes may only grow.
    fn change(&mut self, model: &Model, _caller: &Caller, mut item: Attributes) -> Result<(), Fault> {
        item.write_names(&mut self.standard)?;
        if let Some(prefixes) = item.list::<IpNet>("prefixes", "IP subnet")? {
            let wanted = merge(&prefixes);
            if !self.prefixes.iter().all(|old| wanted.iter().any(|new| new.contains(old))) {
                return Err(Fault::bad(
                    "IllegalSubnetPoolPrefixUpdate",
                    "Illegal update to prefixes: existing prefixes must be a subset of the new prefixes.",
                ));
            }
            check_prefixes(&wanted)?;
            self.prefixes = wanted;
        }
        if let Some(length) = item.number("default_prefixlen")? {
            self.default_prefixlen = length;
        }
        if let Some(length) = item.number("min_prefixlen")? {
            self.min_prefixlen = length;
        }
        if let Some(length) = item.number("max_prefixlen")? {
            self.max_prefixlen = length;
        }
        if let Some(on) = item.boolean_admin("is_default", self.is_default)? {
            self.is_default = on;
        }
        item.finish()?;
        check_lengths(self, if self.ip_version == 4 { 32 } else { 128 })?;
        check_default(model, self)
    }

    /// Refused, with status 400 as Neutron does, while a subnet is cut from it.
    fn remove(&self, model: &mut Model, _caller: &Caller) -> Result<(), Fault> {
        let id = &self.standard.id;
        if model.subnets.values().any(|s| s.subnetpool_id.as_ref() == Some(id)) {
            return Err(Fault::bad(
                "SubnetPoolDeleteError",
                "Unable to delete subnet pool: Subnet pool has existing allocations.",
            ));
        }
        model.subnetpools.remove(id);
        Ok(())
    }
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
