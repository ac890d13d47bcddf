//! The embedded development cloud: Keystone, Neutron and Cinder over one in-memory model.

pub mod caller;
pub mod datapath;
pub mod loop_volumes;
