//! The listening socket and its connections.

use std::net::SocketAddr;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin;
use crate::error::{Error, Result};
use crate::front::{Closed, Front};

/// Longest request body.
const MOST_BYTES: usize = 16 << 20;
/// How long answers under way may take after a stop.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Opens the socket; with port 0 the address tells which port it became.
pub(crate) async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let fail = |source| Error::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(fail)?;
    let addr = listener.local_addr().map_err(fail)?;
    Ok((listener, addr))
}

/// Serves until told to stop.
pub(crate) async fn accept(listener: TcpListener, front: Front, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: others must finish first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => return,
        };
        tasks.spawn(serve(stream, front.clone(), stop.clone(), tasks.clone()));
    }
}

async fn serve(stream: TcpStream, front: Front, stop: CancellationToken, tasks: TaskTracker) {
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else { return };
    drop(stream.set_nodelay(true));
    let is_local = peer.ip().to_canonical().is_loopback() || peer.ip() == local.ip();
    let service = hyper::service::service_fn(move |request| {
        let (front, tasks) = (front.clone(), tasks.clone());
        async move { answer(request, front, is_local, tasks).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => drop(done),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(GRACE, connection).await);
        }
    }
}

/// Runs a request to its end even if the caller goes away meanwhile, as a real service does.
async fn answer(
    request: Request<Incoming>,
    front: Front,
    is_local: bool,
    tasks: TaskTracker,
) -> std::result::Result<Response, Closed> {
    let (parts, body) = request.into_parts();
    let body: Bytes = match Limited::new(body, MOST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    };
    let path = parts.uri.path();
    if path == "/admin" || path.starts_with("/admin/") {
        if !is_local {
            return Ok(admin::refuse(StatusCode::FORBIDDEN, "only callers on this machine may do that"));
        }
        return Ok(front.admin(parts, body).await);
    }
    let work = tasks.spawn(async move { front.handle(parts, body).await });
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request handler failed");
        Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())
    })
}
