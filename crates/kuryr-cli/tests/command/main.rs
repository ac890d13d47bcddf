//! The `kuryr` command as a user types it. Nothing here leaves the loopback interface or touches a link.

// helpers of tests are not covered by the exemption for tests
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod activation;
mod configuration;
mod credentials;
mod hostile;
mod http;
mod peer;
mod rig;
mod serving;
mod status;
mod swarm;
mod tls;
