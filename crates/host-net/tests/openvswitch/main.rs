//! Ports of a real Open vSwitch, read back with `ovs-vsctl`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod faults;
mod ports;
mod switch;
mod traffic;
