//! Connections passed on from one address to another.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use os::netns::{NetNs, run_in};
use tokio::sync::oneshot;

/// Where connections come in and where they go.
pub(crate) type Way = (TcpListener, SocketAddr);

/// Passes connections on inside a network namespace. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Forwarder {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<io::Result<()>>>>,
}

impl Forwarder {
    /// Listens, then passes connections on until it is dropped.
    pub(crate) fn start(netns: &NetNs, ways: &[(SocketAddr, SocketAddr)]) -> Result<Self> {
        let mut listening = Vec::new();
        for (from, to) in ways {
            let listener =
                run_in(netns, || TcpListener::bind(from)).context("enter the network namespace")?;
            listening.push((listener.with_context(|| format!("listen at {from}"))?, *to));
        }
        let (stop, stopped) = oneshot::channel();
        let netns = netns.clone();
        let thread = std::thread::spawn(move || run_in(&netns, || pass_on(listening, stopped)));
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Passes connections on until the other end of the channel is gone.
pub(crate) fn pass_on(ways: Vec<Way>, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for (listener, to) in ways {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(async move {
                loop {
                    if let Ok((mut from, _)) = listener.accept().await {
                        tokio::spawn(async move {
                            let mut to = tokio::net::TcpStream::connect(to).await?;
                            tokio::io::copy_bidirectional(&mut from, &mut to).await
                        });
                    }
                }
            });
        }
        let _ = stopped.await;
        Ok(())
    })
}
