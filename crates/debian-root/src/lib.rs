//! Debian packages that the tasks and the lab need, and unpacked roots of Debian releases to run other generations
//! of Docker, or OpenStack, in.

mod packages;
mod program;
mod root;

pub use packages::{BOOTSTRAP, HOST, LAB, PACKAGING, Package, SHARES, TESTS, install};
pub use program::{Program, require_root, say};
pub use root::{home, package_cache, root, storage_root};
