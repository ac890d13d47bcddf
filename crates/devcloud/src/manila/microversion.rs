//! `X-OpenStack-Manila-API-Version: 2.x`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Manila;
use super::fault::Fault;

const HEADER: HeaderName = HeaderName::from_static("x-openstack-manila-api-version");

/// The minor number; the major one is always 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microversion(pub(super) u32);

impl Microversion {
    pub(super) const MIN: Self = Self(0);
    /// Wallaby's; later ones bring what is not modelled here, such as locks and a recycle bin.
    pub(super) const MAX: Self = Self(63);
    pub(super) const SNAPSHOT_SUPPORT: Self = Self(2);
    pub(super) const TASK_STATE: Self = Self(5);
    pub(super) const TYPE_ID: Self = Self(6);
    /// Actions and paths without `os-`.
    pub(super) const PLAIN_NAMES: Self = Self(7);
    pub(super) const EXPORTS: Self = Self(9);
    pub(super) const RULES_STATUS: Self = Self(10);
    pub(super) const REPLICATION: Self = Self(11);
    pub(super) const CEPHX: Self = Self(13);
    pub(super) const PREFERRED: Self = Self(14);
    pub(super) const USER_ID: Self = Self(16);
    pub(super) const SNAPSHOT_OWNER: Self = Self(17);
    pub(super) const ACCESS_KEY: Self = Self(21);
    pub(super) const FROM_SNAPSHOT: Self = Self(24);
    pub(super) const REVERT: Self = Self(27);
    /// A state of each rule.
    pub(super) const RULE_STATES: Self = Self(28);
    pub(super) const GROUPS: Self = Self(31);
    pub(super) const MOUNT_SNAPSHOT: Self = Self(32);
    pub(super) const RULE_TIMES: Self = Self(33);
    pub(super) const EXPORT_FILTERS: Self = Self(35);
    pub(super) const LIKE_FILTERS: Self = Self(36);
    pub(super) const MESSAGES: Self = Self(37);
    pub(super) const IPV6: Self = Self(38);
    /// `/share-access-rules`, and metadata of rules.
    pub(super) const RULES: Self = Self(45);
    pub(super) const DEFAULT_TYPE: Self = Self(46);
    pub(super) const PROGRESS: Self = Self(54);
    pub(super) const NO_PROJECT: Self = Self(60);
    pub(super) const PER_SHARE_QUOTA: Self = Self(62);

    /// What the request asks for; the lowest when it asks for nothing.
    fn of(headers: &HeaderMap, newest: Self) -> Result<Self, Fault> {
        let Some(value) = headers.get(HEADER) else { return Ok(Self::MIN) };
        let text = value.to_str().map_err(|_| malformed("(not text)"))?;
        let number = |part: &str| {
            let plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()));
            part.parse::<u32>().ok().filter(|_| plain)
        };
        let (major, minor) = text
            .trim()
            .split_once('.')
            .and_then(|(major, minor)| Some((number(major)?, number(minor)?)))
            .ok_or_else(|| malformed(text))?;
        if major != 2 || minor > newest.0 {
            return Err(Fault::new(
                StatusCode::NOT_ACCEPTABLE,
                format!(
                    "Version {major}.{minor} is not supported by the API. Minimum is {} and maximum is {newest}.",
                    Self::MIN
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

fn malformed(text: &str) -> Fault {
    Fault::bad(format!(
        "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
    ))
}

/// Reads the header into a request extension, and writes it on every answer.
pub(super) async fn negotiate(
    State(manila): State<Arc<Manila>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Microversion::of(request.headers(), manila.newest());
    let mut response = match asked.clone() {
        Ok(version) => {
            request.extensions_mut().insert(version);
            next.run(request).await
        }
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(version) = asked
        && let Ok(value) = HeaderValue::from_str(&version.to_string())
    {
        headers.insert(HEADER, value);
    }
    headers.append(http::header::VARY, HeaderValue::from_static("X-OpenStack-Manila-API-Version"));
    response
}
