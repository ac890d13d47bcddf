//! Docker plugin protocols (NetworkDriver, IpamDriver, VolumeDriver) as traits, typed messages and servers.
