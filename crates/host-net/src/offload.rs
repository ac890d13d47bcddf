//! Offloads of links.

use std::io;
use std::sync::Arc;

use os::ethtool::{Offload, offload, set_offload};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::name::checked;
use crate::socket::{DEADLINE, Subject};
use crate::{Error, Links, Result};

/// What is useless without checksums, and harmful where frames leave the kernel as they are.
const SEGMENTATION: [Offload; 2] = [Offload::TcpSegmentation, Offload::Segmentation];

impl Links {
    /// Whether the link leaves the checksums of what is sent through it to others.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Kernel`], [`Error::NoAnswer`].
    pub async fn tx_checksum_offload(&self, link: &str) -> Result<bool> {
        let on = Subject::new("reading checksum offload", checked(link)?);
        self.ethtool(on, |socket, link| offload(socket, link, Offload::TxChecksum)).await
    }

    /// Switches whether the link leaves the checksums of what is sent through it to others. A virtual link leaves
    /// them out, which is fine inside the kernel; a userspace switch gets the frames without.
    /// Segmentation offload, which needs it and hurts a switch in the same way, is switched with it.
    ///
    /// The setting stays with the link when it moves to another namespace.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Kernel`] (`EOPNOTSUPP` when the link cannot do otherwise), [`Error::NoAnswer`].
    pub async fn set_tx_checksum_offload(&self, link: &str, on: bool) -> Result<()> {
        let operation = if on { "enabling checksum offload" } else { "disabling checksum offload" };
        let subject = Subject::new(operation, checked(link)?);
        self.ethtool(subject, move |socket, link| {
            if offload(socket, link, Offload::TxChecksum)? != on {
                set_offload(socket, link, Offload::TxChecksum, on)?;
            }
            // The kernel says yes to what a driver then keeps as it was.
            if offload(socket, link, Offload::TxChecksum)? != on {
                return Err(Errno::OPNOTSUPP.into());
            }
            for other in SEGMENTATION {
                match offload(socket, link, other) {
                    Ok(found) if found != on => set_offload(socket, link, other, on)?,
                    Err(error) if error.raw_os_error() != Some(Errno::OPNOTSUPP.raw_os_error()) => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }

    /// Runs ioctls in the namespace, on a thread that may wait for the kernel's lock of all links.
    async fn ethtool<T: Send + 'static>(
        &self,
        on: Subject<'_>,
        work: impl FnOnce(&rustix::fd::OwnedFd, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let netns = Arc::clone(self.shared_netns());
        let name = on.link.to_owned();
        let visit = tokio::task::spawn_blocking(move || {
            os::netns::run_in(&netns, || {
                let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
                work(&socket, &name)
            })
        });
        let no_answer =
            |seconds| Error::NoAnswer { operation: on.operation, link: on.link.to_owned(), seconds };
        let outcome = tokio::time::timeout(DEADLINE, visit)
            .await
            .map_err(|_| no_answer(Some(DEADLINE.as_secs())))?
            .map_err(|_| no_answer(None))?
            .map_err(Error::Namespace)?;
        outcome.map_err(|error| match error.raw_os_error() {
            Some(errno) if errno == Errno::NODEV.raw_os_error() => {
                Error::Absent { operation: on.operation, link: on.link.to_owned() }
            }
            Some(errno) => Error::Kernel {
                operation: on.operation,
                link: on.link.to_owned(),
                errno,
                text: String::new(),
            },
            None => Error::Socket(error),
        })
    }
}
