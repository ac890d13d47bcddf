//! Every driver of the binding against the doubles.

mod choice;
mod faults;
mod foreign;
mod kernel;
mod kinds;
mod ovs;
mod script;
mod sriov;
mod sub_links;
mod waiting;

pub(super) use kinds::{SLOT, equip};
