//! One call of a service's API, before it is sent.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;
use url::Url;

use crate::settings::ServiceType;
use crate::{Error, Result};

/// Deadline of ordinary calls.
const DEADLINE: Duration = Duration::from_secs(20);

/// Whether a call may be sent again when its effect is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice does what once does.
    Always,
    /// Only when the service provably did not execute it.
    IfNotExecuted,
}

/// A call. The path is a template whose `{}` are filled with ids.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) service: ServiceType,
    pub(super) method: Method,
    pub(super) operation: String,
    pub(super) template: &'static str,
    pub(super) path: String,
    /// Encoded query.
    pub(super) query: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) repeat: Repeat,
    pub(super) deadline: Duration,
}

impl Call {
    /// A call whose repetition is safe by its method: everything but `POST`.
    ///
    /// # Errors
    /// [`Error::InvalidId`]: one of `ids` cannot stand in a path.
    pub(crate) fn new(
        service: ServiceType,
        method: Method,
        template: &'static str,
        ids: &[&str],
        operation: impl Into<String>,
    ) -> Result<Self> {
        let operation = operation.into();
        let mut path = String::with_capacity(template.len() + 40 * ids.len());
        let mut ids = ids.iter();
        for (index, piece) in template.split("{}").enumerate() {
            if index > 0 {
                let id = ids.next().copied().unwrap_or_default();
                push_segment(&mut path, id).ok_or_else(|| Error::InvalidId {
                    service: service.as_str(),
                    operation: operation.clone(),
                    id: id.to_owned(),
                })?;
            }
            path.push_str(piece);
        }
        let repeat = if method == Method::POST { Repeat::IfNotExecuted } else { Repeat::Always };
        Ok(Self {
            service,
            method,
            operation,
            template,
            path,
            query: None,
            headers: Vec::new(),
            body: None,
            repeat,
            deadline: DEADLINE,
        })
    }

    /// With these filters; repeated keys stay repeated.
    pub(crate) fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        if !pairs.is_empty() {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            self.query = Some(query.extend_pairs(pairs).finish());
        }
        self
    }

    /// With the query of a `next` link. The rest of the link is ignored: behind a proxy its host is often wrong, and
    /// the token goes nowhere but to the endpoint.
    pub(crate) fn next_page(&mut self, link: &str) -> bool {
        let query = match Url::parse(link) {
            Ok(url) => url.query().map(str::to_owned),
            Err(_) => link.split_once('?').map(|(_, query)| query.to_owned()),
        };
        self.query = query;
        self.query.is_some()
    }

    /// With this body.
    ///
    /// # Errors
    /// [`Error::Decode`]: it cannot be written as JSON (a map with keys that are not text).
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body).map_err(|e| Error::Decode {
            service: self.service.as_str(),
            operation: self.operation.clone(),
            reason: format!("the request cannot be written as JSON: {e}"),
        })?;
        self.body = Some(bytes);
        Ok(self)
    }

    /// Only if the resource is still at this revision, and [once](Self::once).
    pub(crate) fn if_revision(mut self, revision: u64) -> Self {
        if let Ok(value) = HeaderValue::from_str(&format!("revision_number={revision}")) {
            self.headers.push((http::header::IF_MATCH, value));
        }
        self.once()
    }

    /// Not sent again once it may have been executed, although its method would allow it: the repetition would fail on
    /// the first one's success.
    pub(crate) fn once(mut self) -> Self {
        self.repeat = Repeat::IfNotExecuted;
        self
    }

    /// At this microversion of its service.
    pub(crate) fn version(mut self, version: impl std::fmt::Display) -> Self {
        let name = match self.service {
            ServiceType::BlockStorage => "volume",
            other => other.as_str(),
        };
        if let Ok(value) = HeaderValue::from_str(&format!("{name} {version}")) {
            self.headers.push((HeaderName::from_static("openstack-api-version"), value));
        }
        self
    }

    /// At this microversion of shared file systems.
    pub(crate) fn share_version(mut self, version: impl std::fmt::Display) -> Self {
        if let Ok(value) = HeaderValue::from_str(&version.to_string()) {
            self.headers.push((HeaderName::from_static("x-openstack-manila-api-version"), value));
        }
        self
    }

    /// Sent again even if its effect is unknown.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Always;
        self
    }

    /// The error of an answer that does not fit; values that `reason` quotes are left out.
    pub(crate) fn decode(&self, reason: impl AsRef<str>) -> Error {
        Error::Decode {
            service: self.service.as_str(),
            operation: self.operation.clone(),
            reason: super::without_values(reason.as_ref()),
        }
    }

    /// Takes longer than others: given `deadline` unless the settings set one.
    pub(crate) fn slow(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

/// Appends `id` as one path segment. `None` where it would change the path's meaning: empty, `.` and `..` are dropped
/// or resolved by everybody on the way, so that a `DELETE` would hit the collection.
fn push_segment(path: &mut String, id: &str) -> Option<()> {
    if matches!(id, "" | "." | "..") {
        return None;
    }
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(id: &str) -> Result<String> {
        Call::new(ServiceType::Network, Method::GET, "/ports/{}/tags/{}", &[id, "t"], "get port")
            .map(|c| c.path)
    }

    #[test]
    fn ids_cannot_leave_their_segment() {
        assert_eq!(path("a/b?c#d%2f é:").unwrap(), "/ports/a%2Fb%3Fc%23d%252f%20%C3%A9%3A/tags/t");
        for bad in ["", ".", ".."] {
            assert!(matches!(path(bad), Err(Error::InvalidId { .. })), "{bad}");
        }
    }
}
