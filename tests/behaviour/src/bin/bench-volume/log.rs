//! What the plugin says in its log about where time goes.

/// Milliseconds that somebody else needed, as far as the plugin's log tells; each entry is rounded down.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Elsewhere {
    /// For answers of the cloud.
    pub(crate) cloud: f64,
    /// For programs to end: mkfs, fsck, blkid.
    pub(crate) programs: f64,
    /// For the device: to be read, which proves that it is blank, and to be mounted by the kernel.
    pub(crate) device: f64,
}

impl Elsewhere {
    /// Reads a part of the log.
    pub(crate) fn read(log: &str) -> Self {
        let mut seen = Self::default();
        for line in log.lines() {
            let Some(took) = field(line, "elapsed_ms=") else { continue };
            if line.contains("openstack::") {
                seen.cloud += took;
            } else if line.contains("host_storage::program") {
                seen.programs += took;
            } else if line.contains("host_storage::probe") || line.contains("host_storage::mount") {
                seen.device += took;
            }
        }
        seen
    }
}

fn field(line: &str, key: &str) -> Option<f64> {
    let (_, rest) = line.split_once(key)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_cloud_for_programs_and_for_the_device_are_told_apart() {
        let log = "x DEBUG openstack::session::exchange: attach it status=200 elapsed_ms=51 y\n\
                   x DEBUG host_storage::program: ended program=\"mkfs.ext4\" on=/dev/loop0 elapsed_ms=20\n\
                   x DEBUG host_storage::probe: read on=/dev/loop0 elapsed_ms=30\n\
                   x DEBUG host_storage::mount: mounted on=/dev/loop0 elapsed_ms=4\n\
                   x INFO other elapsed_ms=5\n";
        assert_eq!(Elsewhere::read(log), Elsewhere { cloud: 51.0, programs: 20.0, device: 34.0 });
    }
}
