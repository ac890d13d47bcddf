//! SCSI disks by sysfs, whatever brings them: finding, proving, flushing, removing and measuring them anew.
//!
//! Source: the kernel's `Documentation/ABI/testing/sysfs-bus-scsi` and `drivers/scsi/scsi_sysfs.c`.

mod address;
mod appear;
mod disk;
mod identity;
mod lun;
mod patience;
mod proof;
mod remove;
mod rescan;
mod ways;

pub(crate) use address::Address;
pub(crate) use appear::appear;
pub(crate) use disk::{Disk, Map};
pub use identity::Identity;
pub use lun::Lun;
pub(crate) use patience::{Patience, wait, wait_steadily};
pub(crate) use proof::{Wanted, identify, is_another, prove, take};
pub(crate) use remove::remove;
pub(crate) use rescan::rescan;
pub(crate) use ways::{Choice, Ways, bring};
