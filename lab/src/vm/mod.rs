//! Guests: machines of their own with a kernel of their own, for containers inside instances. A guest is User-Mode Linux
//! from Debian's package, or an emulated machine with Debian's own kernel, over one image, inside a private host without a
//! way out; so it needs no virtualization of this machine. See `docs/lab.md`.

mod agent;
mod channel;
pub mod emulated;
mod enclosure;
mod engine;
mod forward;
mod guest;
mod image;
mod kernel;
mod layout;
mod management;
mod nic;
mod protocol;
mod run;
mod segment;

pub use agent::intercept;
pub use channel::GuestProcess;
pub use enclosure::Enclosure;
pub use engine::Engine;
pub use guest::{Guest, GuestOptions};
pub use image::{Image, Kind, image, install_packages, make_boot};
pub use management::MANAGEMENT;
pub use nic::{Nic, NicOptions};
pub use run::{RunOptions, run};
pub use segment::{SEGMENT, STORAGE, Segment};

pub(crate) use guest::bring;
