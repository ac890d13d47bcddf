//! A pool of prefixes subnets are cut from.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::standard::Standard;
use super::subnet::{address, number, overlap};

/// A Neutron subnet pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SubnetPool {
    /// Common attributes.
    #[serde(flatten)]
    pub standard: Standard,
    /// Ranges, merged.
    pub prefixes: Vec<IpNet>,
    /// Length of an allocation that names none.
    pub default_prefixlen: u8,
    /// Shortest allowed.
    pub min_prefixlen: u8,
    /// Longest allowed.
    pub max_prefixlen: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// Visible to all projects.
    pub shared: bool,
    /// Used by subnets that ask for the default pool.
    pub is_default: bool,
    /// Most addresses per project.
    pub default_quota: Option<u64>,
    /// Always none: address scopes are not modelled.
    pub address_scope_id: Option<String>,
}

/// Merges ranges as Neutron stores them: sorted, without overlap, neighbours joined.
pub(crate) fn merge(prefixes: &[IpNet]) -> Vec<IpNet> {
    let trunc: Vec<IpNet> = prefixes.iter().map(IpNet::trunc).collect();
    IpNet::aggregate(&trunc)
}

impl SubnetPool {
    /// The first free range of a length, in order of addresses.
    pub(crate) fn first_fit(&self, length: u8, taken: &[IpNet]) -> Option<IpNet> {
        for prefix in &self.prefixes {
            if prefix.prefix_len() > length {
                continue;
            }
            let bits = u32::from(prefix.max_prefix_len() - length);
            let Some(step) = 1u128.checked_shl(bits) else { continue };
            let last = number(prefix.broadcast());
            let mut at = number(prefix.network());
            while at <= last {
                let candidate = IpNet::new(address(at, prefix.network()), length).ok()?;
                let Some(blocker) = taken.iter().find(|t| overlap(t, &candidate)) else {
                    return Some(candidate);
                };
                // Jump behind whatever is in the way: a taken range can be larger than a step.
                let behind = number(blocker.broadcast()).max(number(candidate.broadcast()));
                let Some(next) = behind.checked_add(1) else { break };
                at = next.div_ceil(step).saturating_mul(step);
            }
        }
        None
    }

    /// Whether a range lies wholly within one of the prefixes.
    pub(crate) fn holds(&self, cidr: &IpNet) -> bool {
        self.prefixes.iter().any(|p| p.contains(cidr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &[&str]) -> Vec<IpNet> {
        text.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn merging_joins_neighbours_and_drops_what_is_covered() {
        assert_eq!(merge(&nets(&["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25"])), nets(&["10.0.0.0/23"]));
    }

    #[test]
    fn first_fit_jumps_over_smaller_and_larger_taken_ranges() {
        let pool = SubnetPool {
            standard: Standard::new("p", String::new(), String::new()),
            prefixes: nets(&["10.0.0.0/22"]),
            default_prefixlen: 24,
            min_prefixlen: 8,
            max_prefixlen: 32,
            ip_version: 4,
            shared: false,
            is_default: false,
            default_quota: None,
            address_scope_id: None,
        };
        assert_eq!(pool.first_fit(24, &[]), Some("10.0.0.0/24".parse().unwrap()));
        assert_eq!(pool.first_fit(24, &nets(&["10.0.0.16/28"])), Some("10.0.1.0/24".parse().unwrap()));
        assert_eq!(pool.first_fit(24, &nets(&["10.0.0.0/23"])), Some("10.0.2.0/24".parse().unwrap()));
        assert_eq!(pool.first_fit(24, &nets(&["10.0.0.0/22"])), None);
        assert_eq!(pool.first_fit(20, &[]), None);
    }
}
