//! Endpoints: a reserved port, bound, plugged and handed to Docker.

mod create;
mod delete;
mod join;
mod merge;
