//! One connection: handshake, requests one after the other, and the clock that bounds a silent peer.

use std::{
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Shared, listener::Accepted};

/// Most bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// Time for a request that is on its way when the server is told to stop.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// What a connection is doing, known to its stream, its service and the server.
pub(super) struct Activity {
    phase: Mutex<Phase>,
    /// The head of a request is complete.
    head_read: Notify,
    head_timeout: Duration,
    close: CancellationToken,
}

#[derive(Clone, Copy)]
enum Phase {
    /// A request's head is on its way and has to be here at this time.
    Reading(Instant),
    /// A call runs.
    Serving,
    /// Between two requests, since this time.
    Idle(Instant),
}

impl Activity {
    pub(super) fn new(head_timeout: Duration, close: CancellationToken) -> Self {
        let phase = Mutex::new(Phase::Reading(Instant::now() + head_timeout));
        Self { phase, head_read: Notify::new(), head_timeout, close }
    }

    /// Since when there is nothing to do.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Idle(since) if !self.close.is_cancelled() => Some(since),
            _ => None,
        }
    }

    /// Closes the connection as soon as no call runs on it.
    pub(super) fn close(&self) {
        self.close.cancel();
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn begin_call(&self) {
        self.set(Phase::Serving);
        self.head_read.notify_one();
    }

    fn end_call(&self) {
        self.set(Phase::Idle(Instant::now()));
    }

    /// Waits while the head of a request is on its way.
    async fn not_reading(&self) {
        while matches!(self.phase(), Phase::Reading(_)) {
            self.head_read.notified().await;
        }
    }

    fn bytes_arrived(&self) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Reading(Instant::now() + self.head_timeout);
        }
    }

    fn read_deadline(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Reading(deadline) => Some(deadline),
            Phase::Serving | Phase::Idle(_) => None,
        }
    }
}

/// Serves a peer until it goes, is told to go or falls silent.
pub(super) async fn serve_peer(shared: &Arc<Shared>, peer: Accepted, activity: Arc<Activity>) {
    match peer {
        Accepted::Unix(stream) => serve_stream(shared, stream, activity).await,
        Accepted::Tcp(stream, None) => serve_stream(shared, stream, activity).await,
        Accepted::Tcp(stream, Some(acceptor)) => {
            match tokio::time::timeout(shared.options.handshake_timeout, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => serve_stream(shared, stream, activity).await,
                Ok(Err(error)) => tracing::info!(%error, "tls handshake failed"),
                Err(_) => tracing::info!("tls handshake timed out"),
            }
        }
    }
}

async fn serve_stream<S>(shared: &Arc<Shared>, stream: S, activity: Arc<Activity>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let close = activity.close.clone();
    let stream = TimedStream::new(stream, activity.clone(), shared.options.write_timeout);
    let serving = activity.clone();
    let service = service_fn(move |request| {
        let (shared, activity) = (shared.clone(), serving.clone());
        activity.begin_call();
        async move {
            let answer = shared.plugin.handle(request, &shared.shutdown).await;
            activity.end_call();
            answer
        }
    });
    let mut builder = http1::Builder::new();
    // The stream has the clock: hyper's would also close connections that are idle between two requests.
    builder.header_read_timeout(None).max_buf_size(MAX_HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async {
            close.cancelled().await;
            // To close now would make Docker repeat what it has just sent, without a body.
            let _ = tokio::time::timeout(LAST_REQUEST, activity.not_reading()).await;
        } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %crate::PluginError::from_chain(&error), "connection ended");
    }
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when its peer does not go on.
struct TimedStream<S> {
    inner: S,
    activity: Arc<Activity>,
    read_clock: Pin<Box<Sleep>>,
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    write_clock: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedStream<S> {
    fn new(inner: S, activity: Arc<Activity>, write_timeout: Duration) -> Self {
        let read_clock = Box::pin(tokio::time::sleep(activity.head_timeout));
        Self { inner, activity, read_clock, write_timeout, write_clock: None }
    }

    fn bound<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_clock = None;
            return written;
        }
        let timeout = self.write_timeout;
        let clock = self.write_clock.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(clock.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    this.activity.bytes_arrived();
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let Some(deadline) = this.activity.read_deadline() else { return Poll::Pending };
                if this.read_clock.deadline() != deadline {
                    this.read_clock.as_mut().reset(deadline);
                }
                ready!(this.read_clock.as_mut().poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.bound(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.bound(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.bound(cx, shut)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bytes);
        this.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
