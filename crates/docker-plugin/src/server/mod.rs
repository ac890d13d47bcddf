//! Serving a [`Plugin`] on any number of listeners until told to stop.

mod activation;
mod connection;
mod listener;
mod tls;
mod unix;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    activation::{ActivatedSocket, activated_sockets},
    listener::{Listener, OpenTcp},
    tls::{Certificates, TlsFiles},
    unix::UnixSocketOptions,
};
use self::{
    connection::Activity,
    listener::{Accepted, Bound},
};
use crate::{Plugin, error::Result};

/// Pause after an accept that failed for lack of something (descriptors, memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often room for a new connection is looked for while there is none.
const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// Bounds that keep one peer from troubling the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// Most connections at one time. When there are more, those that were idle longest are closed, and new ones wait
    /// in the system's queue.
    pub max_connections: usize,
    /// Time for the head of a request to arrive, counted from the connection or from its first byte. A connection
    /// that is idle between requests is not closed: Docker would repeat its next request without a body.
    pub head_timeout: Duration,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for a peer to take more of an answer.
    pub write_timeout: Duration,
    /// Time for running calls to finish after the order to stop.
    pub shutdown_grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 256,
            head_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(20),
        }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Calls that still ran when the time for them was over.
    pub unfinished: usize,
}

/// What all connections of a server share.
struct Shared {
    plugin: Plugin,
    options: ServerOptions,
    shutdown: CancellationToken,
    /// The time for running calls is over.
    abort: CancellationToken,
    places: Arc<Semaphore>,
    activities: Mutex<Vec<Weak<Activity>>>,
    connections: TaskTracker,
}

/// Serves `plugin` until `shutdown` is cancelled: then accepts no more, removes the files of its unix sockets,
/// finishes what runs and returns, at the latest after [`ServerOptions::shutdown_grace`].
///
/// # Errors
/// A listener that cannot be handed to the runtime; nothing is served then.
pub async fn serve(
    plugin: Plugin,
    listeners: Vec<Listener>,
    options: ServerOptions,
    shutdown: CancellationToken,
) -> Result<Drained> {
    // Nothing goes on if the caller drops this future.
    let shutdown = shutdown.child_token();
    let _stop = shutdown.clone().drop_guard();
    let abort = CancellationToken::new();
    let _abort = abort.clone().drop_guard();

    let bound = listeners.into_iter().map(Listener::bind_to_runtime).collect::<Result<Vec<_>>>()?;
    let shared = Arc::new(Shared {
        plugin,
        places: Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS))),
        options,
        abort,
        activities: Mutex::default(),
        connections: TaskTracker::new(),
        shutdown,
    });
    let accepting = TaskTracker::new();
    for listener in bound {
        tracing::info!(plugin = shared.plugin.name(), listener = listener.label(), "listening");
        accepting.spawn(accept_until_shutdown(shared.clone(), listener));
    }
    accepting.close();
    shared.shutdown.cancelled().await;
    accepting.wait().await;

    shared.connections.close();
    let drained = async {
        shared.connections.wait().await;
        shared.plugin.idle().await;
    };
    let unfinished = match tokio::time::timeout(shared.options.shutdown_grace, drained).await {
        Ok(()) => 0,
        Err(_) => shared.plugin.running(),
    };
    if unfinished > 0 {
        tracing::warn!(plugin = shared.plugin.name(), unfinished, "stopped while calls were running");
    }
    Ok(Drained { unfinished })
}

async fn accept_until_shutdown(shared: Arc<Shared>, mut listener: Bound) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(peer) => {
                let place = tokio::select! {
                    biased;
                    // What has been accepted is served even now: its request may be on the way.
                    place = shared.place() => place,
                    () = shared.shutdown.cancelled() => break,
                };
                shared.start(peer, place);
            }
            Err(error) if is_about_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(listener = listener.label(), %error, "cannot accept, trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for peer in listener.close() {
        if let Ok(place) = shared.places.clone().try_acquire_owned() {
            shared.start(peer, Some(place));
        }
    }
}

/// A connection that was gone before it was accepted.
fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

impl Shared {
    /// A place for one more connection, if need be that of the connection idle longest.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Some(place);
            }
            self.close_longest_idle();
            if let Ok(place) = tokio::time::timeout(ROOM_PAUSE, self.places.clone().acquire_owned()).await {
                return place.ok();
            }
        }
    }

    fn close_longest_idle(&self) {
        let activities = self.activities.lock().unwrap_or_else(PoisonError::into_inner);
        let idle =
            activities.iter().filter_map(Weak::upgrade).filter_map(|one| Some((one.idle_since()?, one)));
        if let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) {
            longest.close();
        }
    }

    fn start(self: &Arc<Self>, peer: Accepted, place: Option<OwnedSemaphorePermit>) {
        let activity = Arc::new(Activity::new(
            self.plugin.name(),
            peer.name(),
            self.options.head_timeout,
            self.shutdown.child_token(),
        ));
        {
            let mut activities = self.activities.lock().unwrap_or_else(PoisonError::into_inner);
            activities.retain(|one| one.strong_count() > 0);
            activities.push(Arc::downgrade(&activity));
        }
        let shared = self.clone();
        self.connections.spawn(async move {
            let _place = place;
            tokio::select! {
                () = connection::serve_peer(&shared, peer, activity) => {}
                () = shared.abort.cancelled() => {}
            }
        });
    }
}
