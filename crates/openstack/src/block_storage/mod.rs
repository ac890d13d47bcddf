//! Cinder (block storage API v3).

mod model;

pub use model::*;
