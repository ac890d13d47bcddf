//! Counts calls.
fn main() {}
