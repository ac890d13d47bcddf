//! Names of links: which the kernel allows, and which link has one.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};

use crate::{Error, Result};

/// Refuses what the kernel would refuse with nothing but a number.
pub(crate) fn checked(name: &str) -> Result<&str> {
    let fits = (1..=15).contains(&name.len());
    let clean =
        !name.bytes().any(|byte| byte == b'/' || byte == b':' || byte == 0 || byte.is_ascii_whitespace());
    if fits && clean && name != "." && name != ".." {
        Ok(name)
    } else {
        Err(Error::Name { name: name.to_owned() })
    }
}

/// The number of the link of this name in the network namespace of the calling thread.
pub(crate) fn index_of(name: &str) -> Result<Option<u32>> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::Socket(errno.into()))?;
    match netdevice::name_to_index(socket, name) {
        Ok(index) => Ok(Some(index)),
        Err(Errno::NODEV) => Ok(None),
        Err(errno) => Err(Error::Kernel {
            operation: "look-up",
            link: name.to_owned(),
            errno: errno.raw_os_error(),
            text: String::new(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_refuses_are_refused_with_words() {
        for bad in ["", ".", "..", "a/b", "a b", "a:1", "sixteen-bytes-xx"] {
            assert!(matches!(checked(bad), Err(Error::Name { .. })), "{bad:?}");
        }
        assert_eq!(checked("tap01234567-89").unwrap(), "tap01234567-89");
    }
}
