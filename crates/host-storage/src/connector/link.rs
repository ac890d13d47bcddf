//! How a volume reaches this host, as it is written down.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fibre_channel::FibreChannelLink;
use super::iscsi::IscsiLink;
use super::nvme::NvmeLink;
use super::rbd::RbdLink;
use super::remote_file::RemoteFileLink;

/// How a volume reaches this host, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// It is a block device of this host already.
    Local {
        /// Below `/dev`.
        path: PathBuf,
    },
    /// Over a Fibre Channel fabric.
    FibreChannel(FibreChannelLink),
    /// By open-iscsi.
    Iscsi(IscsiLink),
    /// A namespace behind NVMe over TCP.
    Nvme(NvmeLink),
    /// An image of a Ceph cluster.
    Rbd(RbdLink),
    /// A raw file of a network filesystem.
    RemoteFile(RemoteFileLink),
    /// The hypervisor gives it to this virtual machine, as a disk with the volume's id for a serial number.
    Server,
}
