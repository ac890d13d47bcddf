//! Which names the kernel gives to links.

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
