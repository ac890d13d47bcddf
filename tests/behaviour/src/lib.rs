//! The behaviour suite: a real dockerd, the kuryr binary and a cloud.
