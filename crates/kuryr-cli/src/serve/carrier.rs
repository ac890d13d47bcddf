//! One process at a time gives a virtual machine's interface to containers: two would take each other's VLANs and pairs
//! for somebody else's. Another state directory makes no difference, so this is not the journal's lock.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

use crate::error::Error;

/// The interface is ours as long as this lives, and no longer than the process does.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// A name without a file, which the kernel keeps per network namespace, as it keeps interfaces.
    _name: UnixListener,
}

impl Carrier {
    /// # Errors
    /// Another process has it.
    pub(crate) fn hold(link: &str) -> Result<Self, Error> {
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => Error::Setting(format!(
                "[binding] link_iface = {link} is in use by another `kuryr serve` on this machine; end that one first"
            )),
            _ => Error::Io { action: "hold", what: PathBuf::from(link), source },
        };
        let name = SocketAddr::from_abstract_name(format!("kuryr/link/{link}")).map_err(failed)?;
        Ok(Self { _name: UnixListener::bind_addr(&name).map_err(failed)? })
    }
}
