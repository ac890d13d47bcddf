//! Fields that some services leave out and others give as `null`.

use serde::{Deserialize, Deserializer};

/// For `deserialize_with`: `null` is the default.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
