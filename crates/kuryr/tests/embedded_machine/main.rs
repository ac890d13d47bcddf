//! The service inside a virtual machine, whole and over the wire: the development cloud's Neutron over HTTP, whose log
//! tells what was asked, and links that are only noted, so that every kind can be had on every kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod cloud;
mod links;
mod machine;
mod pairs;
mod trunk;
