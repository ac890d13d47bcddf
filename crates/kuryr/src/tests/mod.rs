//! The service as Docker drives it, against the doubles.

mod binding;
mod budgets;
mod containers;
mod docker;
mod existing_ports;
mod exposed;
mod matrix;
mod networks;
mod recovery;
