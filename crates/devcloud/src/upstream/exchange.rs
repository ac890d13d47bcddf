//! One request passed on to a service and its answer back.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Upstream;

/// Longest answer: a listing of some ten thousand ports.
const MOST_BYTES: usize = 64 << 20;
/// How long a service may take; longer than any client of ours waits.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a service may take to say that it is there.
const READY: Duration = Duration::from_secs(5);

/// Headers that belong to one connection (RFC 9110 7.6.1), and those that the new one gets by itself.
const OF_A_CONNECTION: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// All services behind the front.
#[derive(Debug)]
pub(crate) struct Upstreams(Vec<Upstream>);

impl Upstreams {
    pub(crate) fn new(upstreams: Vec<Upstream>) -> Self {
        Self(upstreams)
    }

    /// As the services of the front.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(move |request: Request<Body>| {
            let upstreams = Arc::clone(&self);
            async move { upstreams.pass(request).await }
        })
    }

    /// Why not every service answers, if so.
    pub(crate) async fn unready(&self) -> Option<String> {
        for upstream in &self.0 {
            let request = Request::get(format!("{}/", upstream.base)).body(Bytes::new());
            let failed = match request {
                Ok(request) => match timeout(READY, upstream.ask(request)).await {
                    Ok(Ok(answer)) if !answer.status().is_server_error() => None,
                    Ok(Ok(answer)) => Some(format!("it answers {}", answer.status())),
                    Ok(Err(reason)) => Some(reason),
                    Err(_) => Some(format!("no answer within {} s", READY.as_secs())),
                },
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = failed {
                return Some(format!("{} at {} is not ready: {reason}", upstream.prefix, upstream.authority));
            }
        }
        None
    }

    async fn pass(&self, request: Request<Body>) -> Response {
        let (mut parts, body) = request.into_parts();
        let wanted = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let found = self.0.iter().find_map(|upstream| Some((upstream, upstream.target(&wanted)?)));
        let Some((upstream, target)) = found else {
            return (StatusCode::NOT_FOUND, Json(json!({"error": "no service has that path"})))
                .into_response();
        };
        let failed = |reason: String| {
            let text = format!("no answer of {} at {}: {reason}", upstream.prefix, upstream.authority);
            tracing::warn!("{text}");
            (StatusCode::BAD_GATEWAY, Json(json!({"error": text}))).into_response()
        };
        upstream.tell_where_we_are(&mut parts.headers);
        parts.uri = match target.parse() {
            Ok(uri) => uri,
            Err(error) => return failed(format!("{error}")),
        };
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return failed(error.to_string()),
        };
        match timeout(PATIENCE, upstream.ask_patiently(parts, body)).await {
            Ok(Ok(answer)) => answer.map(Body::from),
            Ok(Err(reason)) => failed(reason),
            Err(_) => failed(format!("nothing within {} s", PATIENCE.as_secs())),
        }
    }
}

impl Upstream {
    /// Lets a service that heeds these headers (oslo.middleware's `enable_proxy_headers_parsing`) write links that
    /// come through the front again.
    fn tell_where_we_are(&self, headers: &mut HeaderMap) {
        if let Some(host) = headers.get(header::HOST).cloned() {
            headers.insert("x-forwarded-host", host);
        }
        headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
        if let Ok(prefix) = HeaderValue::from_str(&format!("/{}", self.prefix)) {
            headers.insert("x-forwarded-prefix", prefix);
        }
    }

    /// Asks once more when the service says nothing at all, which happens to those that recycle a worker or are short of
    /// time, and when a second request has no second effect.
    async fn ask_patiently(
        &self,
        parts: http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Bytes>, String> {
        let harmless = parts.method.is_safe() || parts.uri.path().ends_with("/auth/tokens");
        let again = harmless.then(|| Request::from_parts(parts.clone(), body.clone()));
        match (self.ask(Request::from_parts(parts, body)).await, again) {
            (Err(reason), Some(again)) => {
                tracing::warn!("{} at {} is asked again: {reason}", self.prefix, self.authority);
                self.ask(again).await
            }
            (answer, _) => answer,
        }
    }

    /// Asks on a connection of its own: servers that keep one per worker would starve behind idle ones.
    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let stream = TcpStream::connect(&self.authority).await.map_err(|e| text(&e))?;
        drop(stream.set_nodelay(true));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| text(&e))?;
        let (mut parts, body) = request.into_parts();
        drop_connection_headers(&mut parts.headers);
        parts.headers.insert(header::HOST, HeaderValue::from_str(&self.authority).map_err(|e| text(&e))?);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        parts.version = http::Version::HTTP_11;
        // Neither extensions of the front's router nor its matched paths concern the service.
        parts.extensions.clear();
        let exchange = async {
            let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await;
            let (mut parts, body) = answer.map_err(|e| text(&e))?.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|e| e.to_string())?;
            drop_connection_headers(&mut parts.headers);
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        // The connection is driven beside the exchange and ends with it.
        tokio::pin!(connection, exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                // Everything was read before the service closed; what is left is to hand it over.
                Ok(()) => exchange.await,
                Err(error) => Err(text(&error)),
            },
        }
    }
}

fn drop_connection_headers(headers: &mut HeaderMap) {
    // `Connection` may name more headers of this connection only.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_A_CONNECTION) {
        headers.remove(name);
    }
}
