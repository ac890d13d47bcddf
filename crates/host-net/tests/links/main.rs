//! Each call against the real kernel in a namespace of its own, read back with `ip`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod kernel;
mod macvlan;
mod namespace;
mod no_address;
mod no_cache;
mod offload;
mod vanished;
mod vf;
mod vlan_ipvlan;
