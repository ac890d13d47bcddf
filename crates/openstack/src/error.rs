//! What an OpenStack call can end in.

/// A failed call. The text is one line: what failed, on which resource, and what the service said.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service answered with an error status.
    #[error("{0}")]
    Api(Box<ApiError>),
    /// No answer: connection refused, reset, name not resolved, TLS failure.
    #[error("{service}: cannot {operation}: {reason}; check that {url} is reachable from this host")]
    Unreachable {
        /// Service type, such as `network`.
        service: &'static str,
        /// Verb and resource, such as `create port`.
        operation: String,
        /// The endpoint, without query.
        url: String,
        /// The cause, flattened to one line.
        reason: String,
        /// Whether the request may have reached the service (its effect is then unknown).
        sent: bool,
    },
    /// The deadline passed; the request's effect is unknown.
    #[error("{service}: {operation}: no answer within {seconds} s; the request may still take effect")]
    Timeout {
        /// Service type.
        service: &'static str,
        /// Verb and resource.
        operation: String,
        /// The deadline that passed.
        seconds: u64,
    },
    /// The answer is not what the API promises.
    #[error("{service}: {operation}: cannot understand the answer: {reason}")]
    Decode {
        /// Service type.
        service: &'static str,
        /// Verb and resource.
        operation: String,
        /// What did not fit.
        reason: String,
    },
    /// The settings do not make a session (missing password, unknown auth_type, unreadable CA file).
    #[error("{0}")]
    Config(String),
    /// The catalog has no endpoint for a service.
    #[error(
        "the service catalog has no {interface} endpoint for {service}{region}; check region_name and endpoint_type"
    )]
    NoEndpoint {
        /// Service type.
        service: &'static str,
        /// `public`, `internal` or `admin`.
        interface: String,
        /// ` in region X`, or empty.
        region: String,
    },
    /// The service is too old for the call. Nothing was sent.
    #[error(
        "{service}: {operation} needs microversion {needed} ({release} or later), the service has only {offered}; upgrade it"
    )]
    Unsupported {
        /// Service type.
        service: &'static str,
        /// Verb and resource.
        operation: String,
        /// The microversion needed.
        needed: String,
        /// The newest one the service has.
        offered: String,
        /// The first OpenStack release that has it.
        release: &'static str,
    },
    /// An id that cannot stand in a URL, such as an empty one. Nothing was sent.
    #[error("{service}: cannot {operation}: `{id}` is not an id")]
    InvalidId {
        /// Service type.
        service: &'static str,
        /// Verb and resource.
        operation: String,
        /// The text that was to be an id.
        id: String,
    },
}

/// Keystone's name in errors. Getting a token changes no resource and says nothing about any.
const IDENTITY: &str = "identity";

/// An error answer of a service.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{service}: {operation}: {message} (HTTP {status}{}{})", fmt_kind(.kind), fmt_request(.request_id))]
pub struct ApiError {
    /// Service type, such as `network`, `block-storage`, `shared-file-system`, `identity`.
    pub service: &'static str,
    /// Verb and resource, such as `create port`.
    pub operation: String,
    /// HTTP status.
    pub status: u16,
    /// The service's own error type: `IpAddressAlreadyAllocated`, `itemNotFound`, ...; empty if none.
    pub kind: String,
    /// The service's text, one line.
    pub message: String,
    /// `X-Openstack-Request-Id` of the answer; empty if none.
    pub request_id: String,
}

fn fmt_kind(kind: &str) -> String {
    if kind.is_empty() { String::new() } else { format!(", {kind}") }
}

fn fmt_request(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(", {id}") }
}

impl Error {
    /// The service's answer, if there was one.
    #[must_use]
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(e) => Some(e),
            _ => None,
        }
    }

    /// The HTTP status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.api().map(|e| e.status)
    }

    /// The service says the resource does not exist. Never true for a connection failure, nor for a 404 of Keystone
    /// or of a proxy.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(|e| e.status == 404 && e.service != IDENTITY)
    }

    /// 412: the resource is no longer at the revision the call was made for.
    #[must_use]
    pub fn is_stale_revision(&self) -> bool {
        self.status() == Some(412)
    }

    /// 409: the resource is in a state, or used in a way, that forbids the call.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// The service's error type equals `kind`.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.api().is_some_and(|e| e.kind == kind)
    }

    /// A quota is used up (Neutron 409 `OverQuota`, Cinder and Manila 413).
    #[must_use]
    pub fn is_over_quota(&self) -> bool {
        self.api().is_some_and(|e| {
            e.status == 413
                || e.kind == "overLimit"
                || e.kind.contains("OverQuota")
                || e.kind.contains("QuotaExceeded")
        })
    }

    /// Whether the call may have taken effect although it failed: no answer after sending, a timeout, a 5xx or an
    /// answer that cannot be read.
    #[must_use]
    pub fn effect_unknown(&self) -> bool {
        match self {
            Self::Api(e) => e.status >= 500 && e.service != IDENTITY,
            Self::Unreachable { sent, service, .. } => *sent && *service != IDENTITY,
            Self::Timeout { service, .. } | Self::Decode { service, .. } => *service != IDENTITY,
            Self::Config(_) | Self::NoEndpoint { .. } | Self::Unsupported { .. } | Self::InvalidId { .. } => {
                false
            }
        }
    }
}
