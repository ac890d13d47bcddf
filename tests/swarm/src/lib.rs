//! A swarm on this machine: container hosts in namespaces of their own on one virtual wire without a way out, the development
//! cloud on the same wire, Docker's managed plugin `kuryr` on each host. Never part of the product.

mod cloud_host;
mod cluster;
mod node;
mod plugin;
mod uplink;
mod wait;
mod wire;

pub use cluster::{Cluster, Options};
pub use node::Node;
pub use wait::{SOON, wait_until};
