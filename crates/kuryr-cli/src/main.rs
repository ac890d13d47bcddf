//! The `kuryr` command.

fn main() {}
