//! Which cloud a world stands on, and cases that cannot run on every one.

use std::fmt;

use anyhow::{Result, bail};

use crate::World;

/// A cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudKind {
    /// The embedded development cloud.
    DevCloud,
    /// Real services, in the lab that runs.
    OpenStack,
}

impl CloudKind {
    /// The one that `KURYR_TEST_CLOUD` names: `devcloud`, also without it, or `openstack`.
    ///
    /// # Errors
    /// When it names another one.
    pub fn from_environment() -> Result<Self> {
        match std::env::var("KURYR_TEST_CLOUD").as_deref() {
            Err(_) | Ok("" | "devcloud") => Ok(Self::DevCloud),
            Ok("openstack") => Ok(Self::OpenStack),
            Ok(other) => bail!("KURYR_TEST_CLOUD is `{other}`; there are: devcloud, openstack"),
        }
    }
}

impl fmt::Display for CloudKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DevCloud => "devcloud",
            Self::OpenStack => "openstack",
        })
    }
}

/// The end of a case that cannot run on this cloud: neither held nor failed.
#[derive(Debug)]
pub struct Skipped {
    /// What it needs that this cloud has not.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.reason)
    }
}

impl std::error::Error for Skipped {}

impl World {
    /// Ends the case here unless the development cloud is under it. To be called before anything is made.
    ///
    /// # Errors
    /// [`Skipped`] with the reason.
    pub fn only_on_devcloud(&self, reason: &str) -> Result<()> {
        match self.kind() {
            CloudKind::DevCloud => Ok(()),
            CloudKind::OpenStack => bail!(Skipped { reason: reason.to_owned() }),
        }
    }

    /// Ends the case here unless real services are under it. To be called before anything is made.
    ///
    /// # Errors
    /// [`Skipped`] with the reason.
    pub fn only_on_openstack(&self, reason: &str) -> Result<()> {
        match self.kind() {
            CloudKind::OpenStack => Ok(()),
            CloudKind::DevCloud => bail!(Skipped { reason: reason.to_owned() }),
        }
    }

    /// Whether the cloud has Cinder.
    #[must_use]
    pub fn has_volumes(&self) -> bool {
        self.kind() == CloudKind::DevCloud
    }

    /// Ends the case here unless the cloud has Cinder.
    ///
    /// # Errors
    /// [`Skipped`] with the reason.
    pub fn needs_volumes(&self) -> Result<()> {
        self.only_on_devcloud("there is no Cinder in the lab yet")
    }
}
