//! Test support: a [`World`] is a private host with a real engine, a cloud and the `kuryr` binary, driven as a user
//! would drive it and looked at from outside. Never part of the product.

mod certificates;
mod clean;
mod cloud;
mod leftovers;
mod netns;
mod probe;
mod world;

pub use certificates::Certificates;
pub use clean::Inventory;
pub use cloud::{Call, Cloud, Fault};
pub use netns::in_netns;
pub use probe::{Inside, udp_reaches};
pub use world::{World, WorldOptions};
