//! The only crate with unsafe code: ioctls, namespaces, inherited file descriptors.
pub mod block;
pub mod ethtool;
pub mod listen_fds;
pub mod private;

pub mod netns;

pub mod loop_device;
