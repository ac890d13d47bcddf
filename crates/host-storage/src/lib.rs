//! Block devices, filesystems and mounts of this host. No policy.
