//! The protocols on the wire: recorded requests of each daemon generation, and every quirk, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by failing"
)]

mod activation;
mod client;
mod drivers;
mod http;
mod lookups;
mod overload;
mod replay;
mod rig;
mod shutdown;
mod tls;
mod tls_renewal;
mod unix_socket;
