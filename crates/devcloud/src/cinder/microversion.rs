//! `OpenStack-API-Version: volume 3.x`.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::fault::Fault;

const HEADER: HeaderName = HeaderName::from_static("openstack-api-version");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The minor number; the major one is always 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Microversion(pub(super) u32);

impl Microversion {
    pub(super) const MIN: Self = Self(0);
    pub(super) const MAX: Self = Self(71);
    pub(super) const GROUPS: Self = Self(13);
    pub(super) const ATTACHMENTS: Self = Self(27);
    pub(super) const STRICT_FILTERS: Self = Self(31);
    pub(super) const LIKE_FILTERS: Self = Self(34);
    pub(super) const EXTEND_IN_USE: Self = Self(42);
    pub(super) const COMPLETE: Self = Self(44);
    pub(super) const COUNT: Self = Self(45);
    pub(super) const SHARED_TARGETS: Self = Self(48);
    pub(super) const STRICT_CREATE: Self = Self(53);
    pub(super) const MODE: Self = Self(54);
    pub(super) const TYPE_ID: Self = Self(63);
    pub(super) const CONSUMES_QUOTA: Self = Self(65);
    pub(super) const SNAPSHOT_FORCE: Self = Self(66);
    pub(super) const NO_PROJECT: Self = Self(67);

    /// What the request asks for; the lowest when it asks for nothing. Other services' entries do not count.
    fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        for value in headers.get_all(HEADER) {
            let text = value.to_str().map_err(|_| malformed("(not text)"))?;
            for entry in text.split(',') {
                let mut words = entry.split_whitespace();
                if words.next().is_some_and(|service| service.eq_ignore_ascii_case("volume")) {
                    return Self::parse(words.next().unwrap_or_default());
                }
            }
        }
        Ok(Self::MIN)
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.eq_ignore_ascii_case("latest") {
            return Ok(Self::MAX);
        }
        let number = |part: &str| {
            let plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()));
            part.parse::<u32>().ok().filter(|_| plain)
        };
        let (major, minor) = text
            .split_once('.')
            .and_then(|(major, minor)| Some((number(major)?, number(minor)?)))
            .ok_or_else(|| malformed(text))?;
        if major != 3 || minor > Self::MAX.0 {
            return Err(Fault::new(
                StatusCode::NOT_ACCEPTABLE,
                format!(
                    "Version {major}.{minor} is not supported by the API. Minimum is {} and maximum is {}.",
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
        write!(f, "3.{}", self.0)
    }
}

fn malformed(text: &str) -> Fault {
    Fault::bad(format!(
        "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
    ))
}

/// Reads the header into a request extension, and writes it on every answer.
pub(super) async fn negotiate(mut request: Request, next: Next) -> Response {
    let asked = Microversion::of(request.headers());
    let mut response = match asked.clone() {
        Ok(version) => {
            request.extensions_mut().insert(version);
            next.run(request).await
        }
        Err(fault) => fault.into_response(),
    };
    let headers = response.headers_mut();
    if let Ok(version) = asked
        && let Ok(value) = HeaderValue::from_str(&format!("volume {version}"))
    {
        headers.insert(HEADER, value);
    }
    headers.append(http::header::VARY, HeaderValue::from_static("OpenStack-API-Version"));
    if !headers.contains_key(&REQUEST_ID)
        && let Ok(value) = HeaderValue::from_str(&format!("req-{}", super::model::new_id()))
    {
        headers.insert(REQUEST_ID, value);
    }
    response
}
