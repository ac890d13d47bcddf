//! Reading a request's body within bounds of size and time.

use std::{fmt::Display, pin::pin, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::body::Body;

use crate::PluginError;

/// How much of a body that is too long is thrown away so that its sender comes to read the answer, as a multiple of
/// the bound.
const THROWN_AWAY: usize = 16;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the request is longer than {0} bytes, send less")]
    TooLong(usize),
    #[error("the request did not arrive within {0:?}, send it in one go")]
    TooSlow(Duration),
    #[error("the request broke off: {0}")]
    BrokeOff(String),
}

impl BodyError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) | Self::BrokeOff(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<BodyError> for PluginError {
    fn from(error: BodyError) -> Self {
        Self::new(error)
    }
}

/// Reads a body of at most `limit` bytes, within `timeout`.
pub(crate) async fn read<B>(body: B, limit: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Display,
{
    tokio::time::timeout(timeout, collect(body, limit)).await.unwrap_or(Err(BodyError::TooSlow(timeout)))
}

async fn collect<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Display,
{
    let mut body = pin!(body);
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::BrokeOff(error.to_string()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        seen = seen.saturating_add(data.remaining());
        if seen <= limit {
            kept.extend_from_slice(&data.copy_to_bytes(data.remaining()));
        } else if seen > limit.saturating_mul(THROWN_AWAY) {
            break;
        } else {
            kept.clear();
        }
    }
    if seen > limit { Err(BodyError::TooLong(limit)) } else { Ok(kept.freeze()) }
}
