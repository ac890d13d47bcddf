//! The cloud as its clients see it: over HTTP, without a data path.

#[cfg(test)]
mod address_pairs;
#[cfg(test)]
mod auto_addresses;
#[cfg(test)]
mod bindings;
#[cfg(test)]
mod client;
#[cfg(test)]
mod data_path;
#[cfg(test)]
mod dhcp;
#[cfg(test)]
mod dns;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod manila;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod qos;
#[cfg(test)]
mod request_log;
#[cfg(test)]
mod revisions;
#[cfg(test)]
mod security_groups;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod share_exports;
#[cfg(test)]
mod share_failures;
#[cfg(test)]
mod share_kinds;
#[cfg(test)]
mod share_listing;
#[cfg(test)]
mod share_metadata;
#[cfg(test)]
mod share_quotas;
#[cfg(test)]
mod share_rules;
#[cfg(test)]
mod share_snapshots;
#[cfg(test)]
mod share_storage;
#[cfg(test)]
mod share_versions;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod subnet_pools;
#[cfg(test)]
mod subnets;
#[cfg(test)]
mod tags;
#[cfg(test)]
mod trunk_agents;
#[cfg(test)]
mod trunks;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod volumes;
