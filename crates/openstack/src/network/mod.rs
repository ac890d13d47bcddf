//! Neutron (networking API v2.0).

mod model;

pub use model::*;
