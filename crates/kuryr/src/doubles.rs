//! A Neutron and a host in memory, with Neutron's rules and one fault at the n-th call.

mod cloud;
mod devices;
mod host;
mod inventory;
mod neutron;
mod process;
mod rules;
mod switch;

pub(crate) use cloud::{Cloud, Link};
pub(crate) use devices::{Function, Script};
pub(crate) use process::{Fault, Process, World};
