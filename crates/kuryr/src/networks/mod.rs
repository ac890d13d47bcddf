//! Docker networks: made, adopted, removed.

mod adopt;
mod build;
mod create;
mod delete;

pub(crate) use adopt::taken;
