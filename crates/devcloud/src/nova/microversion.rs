//! `OpenStack-API-Version: compute 2.x`, or `X-OpenStack-Nova-API-Version: 2.x` as it was called first.

use http::{HeaderMap, StatusCode};

use crate::cinder::Fault;

/// The minor number; the major one is always 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microversion(pub(super) u32);

impl Microversion {
    pub(super) const MIN: Self = Self(1);
    pub(super) const MAX: Self = Self(96);
    pub(super) const MULTIATTACH: Self = Self(60);
    pub(super) const DELETE_ON_TERMINATION: Self = Self(79);
    pub(super) const ATTACHMENT_ID: Self = Self(89);

    /// What the request asks for; the lowest when it asks for nothing. Other services' entries do not count.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let texts = |name: &str| -> Vec<String> {
            headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).map(str::to_owned).collect()
        };
        for value in texts("openstack-api-version") {
            for entry in value.split(',') {
                let mut words = entry.split_whitespace();
                if words.next().is_some_and(|service| service.eq_ignore_ascii_case("compute")) {
                    return Self::parse(words.next().unwrap_or_default());
                }
            }
        }
        texts("x-openstack-nova-api-version").first().map_or(Ok(Self::MIN), |text| Self::parse(text.trim()))
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::MAX);
        }
        let minor =
            text.strip_prefix("2.").filter(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_digit()));
        let Some(minor) = minor.and_then(|m| m.parse().ok()) else {
            return Err(Fault::bad(format!(
                "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
            )));
        };
        if !(Self::MIN.0..=Self::MAX.0).contains(&minor) {
            return Err(Fault::new(
                StatusCode::NOT_ACCEPTABLE,
                format!(
                    "Version 2.{minor} is not supported by the API. Minimum is {} and maximum is {}.",
                    Self::MIN,
                    Self::MAX
                ),
            ));
        }
        Ok(Self(minor))
    }
}

impl std::fmt::Display for Microversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2.{}", self.0)
    }
}
