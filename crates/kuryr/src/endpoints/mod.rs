//! Endpoints: a reserved port, bound, plugged and handed to Docker.

mod active;
mod bind;
mod create;
mod delete;
mod device;
mod foreign;
mod join;
mod merge;
mod record;
