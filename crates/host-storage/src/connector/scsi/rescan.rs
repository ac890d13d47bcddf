//! A volume that grew.

use super::proof::maps;
use super::{Address, Disk};
use crate::Result;
use crate::connector::{Machine, multipath};

/// Has the kernel read again what the disks at these addresses say, and multipathd give their map the new size.
///
/// # Errors
/// What they answer.
pub(crate) fn rescan(machine: &Machine, addresses: &[Address]) -> Result<()> {
    let disks: Vec<_> = addresses.iter().map(|a| Disk::at(machine, *a)).filter(Disk::exists).collect();
    disks.iter().try_for_each(|d| d.order_if_there("rescan"))?;
    maps(machine, &disks).iter().try_for_each(|map| multipath::resize(machine, map))
}
