//! Ethernet addresses in the two notations of Docker.

use std::{fmt, str::FromStr};

use crate::PluginError;

/// An Ethernet address of six bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Reads the base64 notation of an endpoint option (`AkKsEQAC`), the form Go gives to a slice of bytes.
    ///
    /// Six bytes are exactly eight characters without padding, anything else is `None`.
    pub fn from_base64(text: &str) -> Option<Self> {
        if text.len() != 8 {
            return None;
        }
        let mut bits = 0_u64;
        for character in text.bytes() {
            let digit = match character {
                b'A'..=b'Z' => character - b'A',
                b'a'..=b'z' => character - b'a' + 26,
                b'0'..=b'9' => character - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u64::from(digit);
        }
        let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
        Some(Self([a, b, c, d, e, f]))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddress {
    type Err = PluginError;

    /// Reads `02:42:ac:11:00:02` (or with `-`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || PluginError::new(format!("malformed mac address {text:?}: give six bytes in hex"));
        let mut bytes = [0_u8; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| matches!(part.len(), 1 | 2)).ok_or_else(malformed)?;
            if !part.bytes().all(|character| character.is_ascii_hexdigit()) {
                return Err(malformed());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| malformed())?;
        }
        if parts.next().is_some() {
            return Err(malformed());
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_give_the_same_address() {
        let text: MacAddress = "02:42:ac:11:00:02".parse().unwrap();
        assert_eq!(MacAddress::from_base64("AkKsEQAC"), Some(text));
        assert_eq!(text.to_string(), "02:42:ac:11:00:02");
        assert_eq!("02-42-AC-11-0-2".parse(), Ok(text));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "02:42", "02:42:ac:11:00:02:03", "zz:42:ac:11:00:02", "+2:42:ac:11:00:02", "::::::"]
        {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
        for text in ["", "AkKsEQA=", "AkKsEQACAA", "äAkKsEQ"] {
            assert_eq!(MacAddress::from_base64(text), None, "{text}");
        }
    }
}
