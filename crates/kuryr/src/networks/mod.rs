//! Docker networks: made, adopted, removed.

mod adopt;
mod build;
mod create;
mod delete;
mod reserve;
mod sharing;
mod subnet_pools;
mod tags;
mod unmanaged;

pub(crate) use adopt::taken;
pub(crate) use subnet_pools::refuse_outside;
