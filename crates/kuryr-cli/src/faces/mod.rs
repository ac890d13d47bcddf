//! Docker's protocols as calls on the services. No decisions and no state.

mod ipam;
mod network;
mod volume;

pub(crate) use ipam::Ipam;
pub(crate) use network::Networks;
pub(crate) use volume::Volumes;

use std::str::FromStr;

use docker_plugin::PluginError;

/// Reads a value of a request; the refusal names the key and the value.
fn parse<T: FromStr>(key: &str, text: &str) -> Result<T, PluginError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e| PluginError::new(format_args!("{key} `{text}`: {e}")))
}

/// Reads a value that may be absent (empty).
fn parse_optional<T: FromStr>(key: &str, text: &str) -> Result<Option<T>, PluginError>
where
    T::Err: std::fmt::Display,
{
    if text.is_empty() { Ok(None) } else { parse(key, text).map(Some) }
}

/// A service's error as Docker's user sees it.
fn refuse(error: impl std::error::Error) -> PluginError {
    PluginError::from_chain(&error)
}
