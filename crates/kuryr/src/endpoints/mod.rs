//! Endpoints: a reserved port, bound, plugged and handed to Docker.

mod active;
mod create;
mod delete;
mod device;
mod join;
mod merge;
