//! Answers in the form that every daemon understands.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use crate::PluginError;

/// Media type of the protocol, the one Docker asks for.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.docker.plugins.v1.2+json";

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Done: the JSON text of the answer.
    Done(Vec<u8>),
    /// Refused by the driver or unreadable.
    Failed(PluginError),
    /// No such method of this plugin.
    NoSuchMethod,
    /// Nothing that may be answered: hold the request, then close the connection.
    Held(PluginError),
    /// Nothing that may be answered: close the connection now.
    Unanswered(PluginError),
}

impl Reply {
    /// The reply for what a driver's method came back with.
    pub(crate) fn of<T: Serialize>(result: Result<T, PluginError>) -> Self {
        match result.and_then(|answer| serde_json::to_vec(&answer).map_err(PluginError::new)) {
            Ok(json) => Self::Done(json),
            Err(error) => Self::Failed(error),
        }
    }

    /// The reply for a method that answers nothing: an empty object, because an empty body is an error to Docker.
    pub(crate) fn of_unit(result: Result<(), PluginError>) -> Self {
        match result {
            Ok(()) => Self::Done(b"{}".to_vec()),
            Err(error) => Self::Failed(error),
        }
    }
}

/// `Err` is read by NetworkDriver and VolumeDriver, `Error` by IpamDriver.
#[derive(Serialize)]
struct Failure<'a> {
    #[serde(rename = "Err")]
    err: &'a str,
    #[serde(rename = "Error")]
    error: &'a str,
}

/// A success.
pub(crate) fn success(json: Vec<u8>) -> Response<Full<Bytes>> {
    response(StatusCode::OK, json)
}

/// A failure; Podman looks only at the status, Docker shows the text.
pub(crate) fn failure(status: StatusCode, error: &PluginError) -> Response<Full<Bytes>> {
    let body = Failure { err: error.text(), error: error.text() };
    response(
        status,
        serde_json::to_vec(&body).unwrap_or_else(|_| br#"{"Err":"failed","Error":"failed"}"#.to_vec()),
    )
}

fn response(status: StatusCode, json: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(json)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}
