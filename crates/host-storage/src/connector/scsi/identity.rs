//! What a disk says of itself.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sysfs;

/// The names a disk gives itself. They need not be unique (tgt's are not); that they changed shows that another volume
/// came in the place of the former one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The designator of the unit (VPD page 0x83) as the kernel writes it, such as `naa.6001405...`.
    pub wwid: Option<String>,
    /// Its serial number (VPD page 0x80).
    pub serial: Option<String>,
}

impl Identity {
    /// Reads the device's directory in sysfs.
    pub(crate) fn read(device: &Path) -> Self {
        let wwid =
            sysfs::text(&device.join("wwid")).map(|t| t.split_whitespace().collect::<Vec<_>>().join(" "));
        let page = std::fs::read(device.join("vpd_pg80")).unwrap_or_default();
        Self { wwid, serial: serial(&page) }
    }
}

/// A page has a header of 4 bytes, the last two of which are the length of what follows.
fn serial(page: &[u8]) -> Option<String> {
    let [_, 0x80, high, low, rest @ ..] = page else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let text = String::from_utf8_lossy(rest.get(..length)?);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "wwid {}, serial {}", text(&self.wwid), text(&self.serial))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_serial_is_cut_out_of_its_page() {
        assert_eq!(serial(b"\0\x80\0\x0a    beaf11").as_deref(), Some("beaf11"));
        assert_eq!(serial(b"\0\x80\0\x04abcdefg").as_deref(), Some("abcd"));
        for page in [&b""[..], b"\0\x80\0", b"\0\x83\0\x04abcd", b"\0\x80\0\x09abcd", b"\0\x80\0\x02  "] {
            assert_eq!(serial(page), None, "{page:?}");
        }
    }

    proptest! {
        #[test]
        fn any_page_is_survived(page in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = serial(&page);
        }
    }
}
