//! Test support: a [`World`] is a host with a real engine, a cloud and the `kuryr` binary, driven as a user would drive
//! it and looked at from outside. The cloud is the development cloud or real services. Never part of the product.

mod certificates;
mod clean;
mod cloud;
mod gluster;
mod kind;
mod leftovers;
mod machine;
mod neighbours;
mod netns;
mod nic;
mod open_vswitch;
mod probe;
mod reach;
mod world;

pub use certificates::Certificates;
pub use clean::Inventory;
pub use cloud::{Call, Cloud, Fault};
pub use gluster::{HOST as SHARE_HOST, STORAGE};
pub use kind::{CloudKind, Skipped};
pub use machine::{Machine, MachineOptions, NIC, Neighbour};
pub use netns::in_netns;
pub use probe::{Inside, tcp_closes, tcp_opens, udp_closes, udp_opens};
pub use world::{World, WorldOptions, wait_until};
