//! Logical unit numbers.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Flat addressing (SAM-3) marks the first byte of a LUN with the bits 01.
const FLAT: u64 = 0x4000;

/// A logical unit number as the kernel writes it: the two bytes of each level, the first level lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lun(pub(crate) u64);

impl Lun {
    /// From connection information: a number, or its digits. `addressing` is os-brick's `addressing_mode`: `SAM` (or
    /// nothing) for the number as it is, `SAM2` for flat addresses from 256 on, `SAM3-flat` for flat ones always.
    ///
    /// # Errors
    /// What does not fit.
    pub(crate) fn read(value: &Value, addressing: Option<&str>) -> Result<Self, String> {
        let digits = value.as_str().filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
        let number = value.as_u64().or_else(|| digits.and_then(|t| t.parse().ok()));
        let number = number.ok_or_else(|| format!("target_lun {value} is no number"))?;
        let flat = match addressing {
            None | Some("SAM") => false,
            Some("SAM2") => number > 255,
            Some("SAM3-flat") => true,
            Some(other) => return Err(format!("addressing_mode `{other}` is not SAM, SAM2 or SAM3-flat")),
        };
        match flat {
            false => Ok(Self(number)),
            true if number < FLAT => Ok(Self(number + FLAT)),
            true => Err(format!("target_lun {number} has no flat address")),
        }
    }
}

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_number_depends_on_the_addressing() {
        let read = |value: Value, mode| Lun::read(&value, mode).map(|l| l.0);
        assert_eq!(read(json!(1), None), Ok(1));
        assert_eq!(read(json!("12"), Some("SAM")), Ok(12));
        assert_eq!(read(json!(255), Some("SAM2")), Ok(255));
        assert_eq!(read(json!(256), Some("SAM2")), Ok(16640));
        assert_eq!(read(json!(0), Some("SAM3-flat")), Ok(16384));
    }

    #[test]
    fn what_is_no_lun_is_refused() {
        for value in [json!(-1), json!("-"), json!(""), json!("1 2"), json!("+1"), json!(1.5), json!(null)] {
            let error = Lun::read(&value, None).unwrap_err();
            assert!(error.contains("no number"), "{error}");
        }
        assert!(Lun::read(&json!(1), Some("SAM9")).unwrap_err().contains("SAM9"));
        assert!(Lun::read(&json!(20_000), Some("SAM2")).unwrap_err().contains("flat"));
        assert!(Lun::read(&json!(u64::MAX), Some("SAM3-flat")).is_err());
    }
}
