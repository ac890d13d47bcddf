//! Offloads of a network link, switched by ioctl (`linux/ethtool.h`).

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;

use rustix::ioctl::{self, Opcode, Updater};

/// `SIOCETHTOOL` (linux/sockios.h).
const SIOCETHTOOL: Opcode = 0x8946;
/// `IFNAMSIZ` (linux/if.h): a name's bytes with the zero behind it.
const NAME: usize = 16;

/// Work a link can leave to its hardware, or, being virtual, to whoever gets the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offload {
    /// Checksums of what it sends.
    TxChecksum,
    /// Cutting large TCP segments.
    TcpSegmentation,
    /// Cutting large packets of any protocol.
    Segmentation,
}

impl Offload {
    /// The commands to read and to write it.
    fn commands(self) -> (u32, u32) {
        match self {
            // ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM
            Self::TxChecksum => (0x16, 0x17),
            // ETHTOOL_GTSO, ETHTOOL_STSO
            Self::TcpSegmentation => (0x1e, 0x1f),
            // ETHTOOL_GGSO, ETHTOOL_SGSO
            Self::Segmentation => (0x23, 0x24),
        }
    }
}

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `struct ifreq` with its union used as a pointer, which must live as long.
#[repr(C)]
struct Request<'a> {
    name: [u8; NAME],
    value: *mut c_void,
    /// The union's largest member, `struct ifmap`, has 24 bytes; the kernel copies all of it.
    rest: [u8; 16],
    borrowed: PhantomData<&'a mut EthtoolValue>,
}

/// Whether the link has the offload on. The link is looked for in the network namespace `socket`, of any family, was
/// made in.
///
/// # Errors
/// `ENODEV` without such a link, `EOPNOTSUPP` when it does not know the offload, `EINVAL` for an impossible name.
pub fn offload<F: AsFd>(socket: F, link: &str, offload: Offload) -> io::Result<bool> {
    Ok(exchange(socket, link, EthtoolValue { command: offload.commands().0, data: 0 })? != 0)
}

/// Switches an offload of the link. Success means that it was asked for: a link that cannot do otherwise keeps it.
///
/// # Errors
/// As [`offload`]; `EPERM` without `CAP_NET_ADMIN`.
pub fn set_offload<F: AsFd>(socket: F, link: &str, offload: Offload, on: bool) -> io::Result<()> {
    exchange(socket, link, EthtoolValue { command: offload.commands().1, data: on.into() }).map(drop)
}

fn exchange<F: AsFd>(socket: F, link: &str, mut value: EthtoolValue) -> io::Result<u32> {
    let mut name = [0; NAME];
    // One byte less, so that a zero ends it.
    match name.get_mut(..link.len()) {
        Some(place) if link.len() < NAME && !link.is_empty() && !link.contains('\0') => {
            place.copy_from_slice(link.as_bytes());
        }
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    let mut request = Request { name, value: (&raw mut value).cast(), rest: [0; 16], borrowed: PhantomData };
    // SAFETY: SIOCETHTOOL reads and writes one `struct ifreq`, which `Request` lays out at full size. The commands
    // used here read and write exactly one `struct ethtool_value` through its pointer; `value` is that, is writable,
    // and lives until after the call. The kernel keeps neither pointer.
    unsafe { ioctl::ioctl(socket, Updater::<SIOCETHTOOL, Request<'_>>::new(&mut request)) }?;
    Ok(value.data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_as_large_as_the_kernels() {
        // 16 bytes of name and a union of 24 bytes (64 bit).
        assert_eq!(size_of::<Request<'_>>(), if cfg!(target_pointer_width = "64") { 40 } else { 36 });
        assert_eq!(size_of::<EthtoolValue>(), 8);
    }

    #[test]
    fn absent_links_and_impossible_names_are_refused() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let absent = offload(&socket, "no-such-link", Offload::TxChecksum).unwrap_err();
        assert_eq!(absent.raw_os_error(), Some(19));
        assert_eq!(
            set_offload(&socket, "no-such-link", Offload::TxChecksum, false).unwrap_err().raw_os_error(),
            Some(19)
        );
        for name in ["", "a\0b", "sixteen-bytes-xx", "much longer than any name of a link can be"] {
            let error = offload(&socket, name, Offload::TxChecksum).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn the_loopback_device_sums_in_hardware_of_its_own() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(offload(&socket, "lo", Offload::TxChecksum).unwrap());
    }
}
