//! Block devices, filesystems, network shares and mounts of this host. No policy.
//!
//! Three rules hold whoever calls:
//! * a filesystem is made only with a [`BlankProof`], which only [`probe()`] can give;
//! * a device is used only after its identity was proven ([`local::resolve`]);
//! * nothing is unmounted lazily or by force, and a directory is removed only when it is empty.
//!
//! All calls block; an asynchronous caller moves them to a blocking thread.

mod check;
pub mod connector;
mod device;
mod error;
mod filesystem;
mod grow;
pub mod instance;
pub mod local;
mod mkfs;
mod mkfs_options;
mod mount;
mod mount_options;
mod mountinfo;
mod mountpoint;
mod namespaces;
mod probe;
mod program;
mod root;
pub mod serial;
pub mod shares;
mod signature;
mod superblock;
mod sysfs;

pub use check::{Checked, check, check_for_reader};
pub use device::{BlockDevice, DeviceNumber};
pub use error::Error;
pub use filesystem::{Filesystem, UnknownFilesystem};
pub use grow::grow;
pub use mkfs::make_filesystem;
pub use mkfs_options::mkfs_options;
pub use mount::{flush, is_open_elsewhere, mount, unmount, verify_mounted};
pub use mount_options::{check_mount_options, reader_options};
pub use mountinfo::{Mount, own_mounts, parse};
pub use mountpoint::{create_mountpoint, remove_mountpoint, share};
pub use namespaces::{Usage, usage};
pub use probe::{BlankProof, Probe, probe};
pub use root::{Root, Subdirectory, arrange};
pub use sysfs::{SysfsFacts, boot_id};

/// Result of a storage operation.
pub type Result<T> = std::result::Result<T, Error>;
