//! Where the kernel puts a SCSI device.

use std::fmt;

/// Host, channel, target and LUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: u32,
    pub(crate) channel: u32,
    pub(crate) target: u32,
    pub(crate) lun: u64,
}

impl Address {
    /// Reads `H:C:T:L`; `None` for what is no such name, as `host0` and `target0:0:0`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let address = Self {
            host: parts.next()?.parse().ok()?,
            channel: parts.next()?.parse().ok()?,
            target: parts.next()?.parse().ok()?,
            lun: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(address)
    }

    /// Both are LUNs of the same target.
    pub(crate) fn same_target(&self, other: &Self) -> bool {
        (self.host, self.channel, self.target) == (other.host, other.channel, other.target)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.host, self.channel, self.target, self.lun)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_names_of_the_bus_are_no_addresses() {
        for name in ["host0", "target0:0:0", "0:0:0", "0:0:0:0:0", "", ":::", "a:0:0:0", "0:0:0:-1"] {
            assert_eq!(Address::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(host: u32, channel: u32, target: u32, lun: u64) {
            let address = Address { host, channel, target, lun };
            prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
        }
    }
}
