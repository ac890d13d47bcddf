//! Docker's volume names.

use crate::{Error, Result};

/// Checks a name: Docker's own rule, which also makes it a safe file name.
pub(crate) fn check(name: &str) -> Result<()> {
    let fits = name.len() <= 200
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if fits { Ok(()) } else { Err(Error::Name { name: name.chars().take(220).collect() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h22_names_that_could_leave_a_directory_are_refused() {
        for bad in ["", "../x", "a/../b", "/etc", ".hidden", "-x", "a b", "a\0b", "ä", &"x".repeat(201)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "my_vol", "A.b-c_9", &"x".repeat(200)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
