//! How the service behaves.

use std::time::Duration;

use host_storage::Filesystem;

use crate::{Error, Result};

/// The service's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Value of the `volume_from` mark (`volume_from` in fuxi.conf): volumes with another value are not ours.
    pub label: String,
    /// Size of a volume without the option `size`, in GiB.
    pub default_size: u64,
    /// Filesystem of a volume without the option `fstype`.
    pub default_filesystem: Filesystem,
    /// Volume type of a volume without the option `volume_type`.
    pub default_volume_type: Option<String>,
    /// Whether a volume without the options `multiattach` and `volume_type` may be attached several times.
    pub default_multiattach: bool,
    /// Volume type of volumes that may be attached several times; `None`: the only one there is.
    pub multiattach_type: Option<String>,
    /// Whether `docker run` makes a volume it does not know; otherwise only a Create with options does.
    pub implicit_create: bool,
    /// Availability zone of a volume without the option `availability_zone`.
    pub default_availability_zone: Option<String>,
    /// How long a volume stays attached after its last Unmount; Docker often mounts again at once.
    pub detach_delay: Duration,
    /// How long a volume stays attached that only a doubtful reference holds and no container shows.
    pub doubt_delay: Duration,
    /// How long after its Mount a container's own mount may take to show.
    pub shows_after: Duration,
    /// How long after its Mount a container may take to start: Docker mounts all its volumes before, one after another.
    pub starts_within: Duration,
    /// How long a caller waits for an answer; below Docker's 120 s.
    pub answer_within: Duration,
    /// How long Cinder may take to make or delete a volume before we stop watching.
    pub cloud_patience: Duration,
    /// The first pause between two looks at a volume in the making; it doubles up to `poll_longest`.
    pub poll_first: Duration,
    /// The longest pause between two looks.
    pub poll_longest: Duration,
    /// How long "Cinder knows no such volume" is remembered.
    pub absent_for: Duration,
    /// How long a create or attach call whose answer was lost may still take effect.
    pub lost_after: Duration,
    /// How long Nova may take to attach or detach a volume before we stop watching.
    pub server_patience: Duration,
    /// How long an attachment may stay `reserved` while somebody waits for it: Cinder itself gives the storage 60 s, and
    /// operators of slow storage give it more.
    pub reserved_for: Duration,
    /// How often idle and half-done volumes are looked after; `None`: only when [`crate::Service::sweep`] is called.
    pub sweep_every: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            label: "fuxi".into(),
            default_size: 1,
            default_filesystem: Filesystem::Ext4,
            default_volume_type: None,
            default_multiattach: false,
            multiattach_type: None,
            implicit_create: true,
            default_availability_zone: None,
            detach_delay: Duration::from_secs(5),
            doubt_delay: Duration::from_secs(60),
            shows_after: Duration::from_secs(10),
            starts_within: Duration::from_secs(900),
            answer_within: Duration::from_secs(105),
            cloud_patience: Duration::from_secs(600),
            poll_first: Duration::from_millis(100),
            poll_longest: Duration::from_secs(1),
            absent_for: Duration::from_secs(1),
            lost_after: Duration::from_secs(10),
            server_patience: Duration::from_secs(90),
            reserved_for: Duration::from_secs(180),
            sweep_every: Some(Duration::from_secs(30)),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        let label = &self.label;
        let fits = (1..=100).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !fits {
            return Err(Error::Settings(format!(
                "volume_from = {label} is refused: use 1 to 100 letters, digits, `_`, `.` or `-`"
            )));
        }
        if self.default_size == 0 {
            return Err(Error::Settings("default_volume_size must be at least 1 GiB".into()));
        }
        Ok(())
    }
}
