//! Real services and guests on this machine, each lab in a private host without a way out.

mod layer;
pub mod openstack;
mod packages;
pub mod vm;
