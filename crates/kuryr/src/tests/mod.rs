//! The service as Docker drives it, against the doubles.

mod attributes;
mod binding;
mod budgets;
mod containers;
mod docker;
mod existing_ports;
mod exposed;
mod foreign_ipam;
mod guest;
mod macs;
mod many_hosts;
mod matrix;
mod networks;
mod operator;
mod orphans;
mod recovery;
mod subnets;
mod swarm;
mod tagless;
mod takeover;
