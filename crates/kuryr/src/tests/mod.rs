//! The service as Docker drives it, against the doubles.

mod binding;
mod budgets;
mod containers;
mod docker;
mod existing_ports;
mod exposed;
mod many_hosts;
mod matrix;
mod networks;
mod orphans;
mod recovery;
mod subnets;
mod tagless;
mod takeover;
