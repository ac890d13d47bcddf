//! Keystone, Neutron and Open vSwitch, as Debian packages them, in one private host that also serves as container
//! host. Clients reach the services through a front on port 5000, which is not part of the lab: see `docs/lab.md`.

mod check;
mod client;
mod endpoint;
mod identity;
mod image;
mod layout;
mod lifecycle;
mod memory;
mod ready;
mod services;
mod state;
mod supervisor;

pub use check::check;
pub use image::{image, install_packages};
pub use lifecycle::{UpOptions, down, run, status, up};
pub use state::{Running, running};
pub use supervisor::supervise;

/// Host name inside, and therefore the name under which the Open vSwitch agent reports.
pub const HOST: &str = "lab";
/// Of every user.
pub const PASSWORD: &str = "secret";
/// Where Keystone itself listens inside.
pub const KEYSTONE: &str = "http://127.0.0.1:5001";
/// Where Neutron itself listens inside.
pub const NEUTRON: &str = "http://127.0.0.1:9696";
/// Where clients are sent by the catalogue: the front, which whoever uses the lab starts.
pub const FRONT: &str = "http://127.0.0.1:5000";
