//! What a fresh cloud holds, as devstack makes it.

use crate::keystone::project_id;
use crate::model::Model;
use crate::model::standard::Standard;
use crate::model::subnet_pool::SubnetPool;

/// Two shared default pools, one of each family.
pub(crate) fn seed(model: &mut Model) {
    let v4 = [("kuryr", [10, 10, 0, 0].into(), 16, 24, 8)];
    let v6 = [("kuryr6", [0xfd10, 0x10, 0, 0, 0, 0, 0, 0].into(), 48, 64, 64)];
    for (name, base, length, default, min) in v4 {
        add(model, name, std::net::IpAddr::V4(base), length, default, min);
    }
    for (name, base, length, default, min) in v6 {
        add(model, name, std::net::IpAddr::V6(base), length, default, min);
    }
}

fn add(model: &mut Model, name: &str, base: std::net::IpAddr, length: u8, default: u8, min: u8) {
    let Ok(prefix) = ipnet::IpNet::new(base, length) else { return };
    let pool = SubnetPool {
        standard: Standard::new(&project_id("admin"), name.into(), String::new()).made_at_once(),
        prefixes: vec![prefix],
        default_prefixlen: default,
        min_prefixlen: min,
        max_prefixlen: prefix.max_prefix_len(),
        ip_version: if base.is_ipv4() { 4 } else { 6 },
        shared: true,
        is_default: true,
        default_quota: None,
        address_scope_id: None,
    };
    model.subnetpools.insert(pool.standard.id.clone(), pool);
}
