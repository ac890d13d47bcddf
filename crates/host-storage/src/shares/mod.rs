//! Network shares of this host: mounted by their protocol's own program, proven by the kernel's mount table.
//!
//! What comes from the cloud is checked before any program sees it ([`Export::parse`]); passwords and keys reach a
//! program through an anonymous file, never through its arguments. No server can hold a caller longer than a deadline.

mod bounded;
mod export;
mod helper;
mod mount;
mod options;
mod program;
mod root;

pub use bounded::bounded;
pub use export::{Export, Protocol, check_subdir};
pub use mount::{ShareMount, mount, unmount, usage, verify};
pub use options::MountOptions;
pub use root::{Root, set_root};
