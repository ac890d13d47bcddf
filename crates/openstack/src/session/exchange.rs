//! One request and its answer on the wire.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use reqwest::RequestBuilder;
use secrecy::SecretString;
use url::Url;

use super::{Session, flatten, retry};
use crate::Error;

/// Largest answer accepted, in bytes: thousands of ports, far below what would hurt the host.
const LARGEST_ANSWER: usize = 64 << 20;

/// One exchange with a service, as an observer sees it. A repeated call makes several.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// `network`, `block-storage`, `shared-file-system` or `identity`.
    pub service: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path below the versioned endpoint with `{}` for ids: `/ports/{}`.
    pub path: &'static str,
    /// Status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// From sending to the end of the answer.
    pub elapsed: Duration,
}

/// What is said about a request when it fails.
pub(super) struct About<'a> {
    pub(super) service: &'static str,
    pub(super) method: &'a Method,
    pub(super) template: &'static str,
    pub(super) operation: &'a str,
    pub(super) url: &'a Url,
    /// `X-Openstack-Request-Id` sent.
    pub(super) global_id: &'a str,
}

/// An answer, of any status.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) request_id: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) subject_token: Option<SecretString>,
}

/// No answer.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) sent: bool,
}

impl Session {
    pub(super) async fn exchange(
        &self,
        request: RequestBuilder,
        about: &About<'_>,
    ) -> std::result::Result<Reply, Failure> {
        let from = Instant::now();
        let result = perform(request, about).await;
        let elapsed = from.elapsed();
        let status = result.as_ref().ok().map(|reply| reply.status);
        tracing::debug!(
            service = about.service,
            method = %about.method,
            path = about.template,
            status,
            elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            global_request_id = about.global_id,
            request_id = result.as_ref().map_or("", |reply| reply.request_id.as_str()),
            "{}",
            about.operation,
        );
        if let Some(observer) = &self.observer {
            observer(&CallRecord {
                service: about.service,
                method: about.method.clone(),
                path: about.template,
                status,
                elapsed,
            });
        }
        result
    }
}

async fn perform(request: RequestBuilder, about: &About<'_>) -> std::result::Result<Reply, Failure> {
    let fail = |e: reqwest::Error, sent: bool| Failure {
        error: Error::Unreachable {
            service: about.service,
            operation: about.operation.to_owned(),
            url: shown(about.url),
            reason: flatten(&e.without_url()),
            sent,
        },
        sent,
    };
    let mut response =
        request.header("x-openstack-request-id", about.global_id).send().await.map_err(|e| {
            let sent = !(e.is_connect() || e.is_builder());
            fail(e, sent)
        })?;
    let status = response.status().as_u16();
    let headers = response.headers();
    let mut reply = Reply {
        status,
        body: Vec::new(),
        request_id: ["x-openstack-request-id", "x-compute-request-id"]
            .into_iter()
            .find_map(|name| text(headers, name))
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .take(64)
            .collect(),
        retry_after: text(headers, "retry-after").and_then(retry::retry_after),
        subject_token: text(headers, "x-subject-token").map(SecretString::from),
    };
    while let Some(chunk) = response.chunk().await.map_err(|e| fail(e, true))? {
        if reply.body.len() + chunk.len() > LARGEST_ANSWER {
            let error = Error::Decode {
                service: about.service,
                operation: about.operation.to_owned(),
                reason: format!("it is larger than {} MiB", LARGEST_ANSWER >> 20),
            };
            return Err(Failure { error, sent: true });
        }
        reply.body.extend_from_slice(&chunk);
    }
    Ok(reply)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

/// The URL without what must not be shown.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only on URLs without a host, which have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
