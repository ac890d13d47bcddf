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

use super::{Shared, listener::Accepted, tls};

/// Most bytes of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// Time for a request that is on its way when the server is told to stop.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// What a connection is doing, known to its stream, its service and the server.
pub(super) struct Activity {
    /// The plugin and whom the connection is with, for the log.
    plugin: String,
    peer: String,
    phase: Mutex<Phase>,
    /// The head of a request is complete.
    head_read: Notify,
    head_timeout: Duration,
    close: CancellationToken,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Nothing has come yet; the head of a request has to be here at this time.
    Silent(Instant),
    /// A request's head is on its way and has to be here at this time.
    Reading(Instant),
    /// A call runs.
    Serving,
    /// Between two requests, since this time.
    Idle(Instant),
}

impl Activity {
    pub(super) fn new(plugin: &str, peer: String, head_timeout: Duration, close: CancellationToken) -> Self {
        let phase = Mutex::new(Phase::Silent(Instant::now() + head_timeout));
        Self { plugin: plugin.to_owned(), peer, phase, head_read: Notify::new(), head_timeout, close }
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
        while matches!(self.phase(), Phase::Silent(_) | Phase::Reading(_)) {
            self.head_read.notified().await;
        }
    }

    fn bytes_arrived(&self) {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        match *phase {
            Phase::Silent(deadline) => *phase = Phase::Reading(deadline),
            Phase::Idle(_) => *phase = Phase::Reading(Instant::now() + self.head_timeout),
            Phase::Reading(_) | Phase::Serving => {}
        }
    }

    /// The time for a head is over.
    fn tell_timeout(&self) {
        let (plugin, peer, within) = (&self.plugin, &self.peer, self.head_timeout);
        if matches!(self.phase(), Phase::Silent(_)) {
            // Clients open connections that they turn out not to need.
            tracing::debug!(plugin, peer, ?within, "no request came, connection closed");
        } else {
            tracing::warn!(plugin, peer, ?within, "a request did not arrive in time, connection closed");
        }
    }

    fn read_deadline(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Silent(deadline) | Phase::Reading(deadline) => Some(deadline),
            Phase::Serving | Phase::Idle(_) => None,
        }
    }
}

/// Serves a peer until it goes, is told to go or falls silent.
pub(super) async fn serve_peer(shared: &Arc<Shared>, peer: Accepted, activity: Arc<Activity>) {
    match peer {
        Accepted::Unix(stream) => serve_stream(shared, stream, activity).await,
        Accepted::Tcp(stream, None) => serve_stream(shared, stream, activity).await,
        Accepted::Tcp(stream, Some(certificates)) => {
            let shake = async { certificates.acceptor().await.accept(stream).await };
            let (plugin, peer, within) = (&activity.plugin, &activity.peer, shared.options.handshake_timeout);
            match tokio::time::timeout(within, shake).await {
                Ok(Ok(stream)) => serve_stream(shared, stream, activity).await,
                Ok(Err(error)) => {
                    let reason = tls::explain(&error);
                    tracing::warn!(plugin, peer, reason, "tls handshake failed");
                }
                Err(_) => {
                    tracing::warn!(plugin, peer, ?within, "tls handshake did not end in time");
                }
            }
        }
    }
}

async fn serve_stream<S>(shared: &Arc<Shared>, stream: S, activity: Arc<Activity>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (close, known) = (activity.close.clone(), activity.clone());
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
        tell_end(&known, &error);
    }
}

fn tell_end(activity: &Activity, error: &hyper::Error) {
    let (plugin, peer) = (&activity.plugin, &activity.peer);
    let reason = crate::PluginError::from_chain(error);
    if error.is_parse_too_large() {
        tracing::warn!(
            plugin,
            peer,
            bytes = MAX_HEAD,
            "the head of a request is too long, connection closed"
        );
    } else if error.is_parse() {
        tracing::warn!(plugin, peer, %reason, "this is no http request, connection closed");
    } else {
        tracing::debug!(plugin, peer, %reason, "connection ended");
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
                this.activity.tell_timeout();
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
