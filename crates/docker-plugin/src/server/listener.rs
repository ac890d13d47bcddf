//! What a server accepts connections from.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    os::unix::net::UnixListener as StdUnixListener,
    path::Path,
    task::{Context, Poll},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{
    tls::{Certificates, TlsFiles},
    unix::{self, SocketFile, UnixSocketOptions},
};
use crate::{Error, error::Result};

/// Most connections taken out of a socket's queue when it is closed; as many as the queue of a socket holds.
const MAX_QUEUED: usize = 4096;

/// Who may speak to a plugin by way of TCP without a client certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpenTcp {
    /// Processes of this host.
    #[default]
    LoopbackOnly,
    /// Anybody who reaches the address: they own the host.
    Anybody,
}

/// A socket that is open and waits for [`super::serve`]; connections queue until then.
pub struct Listener {
    socket: Socket,
    label: String,
    /// The service manager keeps the socket open, so its queue is for the next process.
    inherited: bool,
}

enum Socket {
    Unix(StdUnixListener, Option<SocketFile>),
    Tcp(StdTcpListener, Option<Certificates>),
}

impl Listener {
    /// Opens a unix socket at `path`, in place of a file that a dead process left.
    ///
    /// The file appears with its final mode and group, and goes when the listener goes.
    ///
    /// # Errors
    /// Something else at `path`, a process that listens there, or what the system refuses.
    pub fn unix(path: impl AsRef<Path>, options: &UnixSocketOptions) -> Result<Self> {
        let path = path.as_ref();
        let (listener, file) = unix::listen(path, options)?;
        Ok(Self {
            socket: Socket::Unix(listener, Some(file)),
            label: format!("unix://{}", path.display()),
            inherited: false,
        })
    }

    /// Opens a TCP socket without TLS.
    ///
    /// # Errors
    /// An address others can reach, unless `open` allows it; what the system refuses.
    pub fn tcp(address: SocketAddr, open: OpenTcp) -> Result<Self> {
        check_open(address, open, None)?;
        Ok(Self {
            socket: Socket::Tcp(bind(address)?, None),
            label: format!("tcp://{address}"),
            inherited: false,
        })
    }

    /// Opens a TCP socket with TLS 1.2 or later.
    ///
    /// # Errors
    /// Unusable files; an address others can reach if no client needs a certificate, unless `open` allows it; what the
    /// system refuses.
    pub fn tls(address: SocketAddr, open: OpenTcp, files: &TlsFiles) -> Result<Self> {
        let certificates = Certificates::read(files)?;
        check_open(address, open, Some(&certificates))?;
        Ok(Self {
            socket: Socket::Tcp(bind(address)?, Some(certificates)),
            label: format!("https://{address}"),
            inherited: false,
        })
    }

    pub(super) fn inherited_unix(listener: StdUnixListener, name: &str) -> Self {
        Self {
            socket: Socket::Unix(listener, None),
            label: format!("inherited socket {name}"),
            inherited: true,
        }
    }

    pub(super) fn inherited_tcp(
        listener: StdTcpListener,
        name: &str,
        open: OpenTcp,
        files: Option<&TlsFiles>,
    ) -> Result<Self> {
        let certificates = files.map(Certificates::read).transpose()?;
        let unusable =
            |error: io::Error| Error::Activation { name: name.to_owned(), reason: error.to_string() };
        check_open(listener.local_addr().map_err(unusable)?, open, certificates.as_ref())?;
        let label = format!("inherited socket {name}");
        Ok(Self { socket: Socket::Tcp(listener, certificates), label, inherited: true })
    }

    /// The certificates of a TLS listener, to have them read again while it serves.
    pub fn certificates(&self) -> Option<Certificates> {
        match &self.socket {
            Socket::Tcp(_, certificates) => certificates.clone(),
            Socket::Unix(..) => None,
        }
    }

    /// The address of a TCP socket, with the port the system chose for port 0.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Unix(..) => None,
            Socket::Tcp(listener, _) => listener.local_addr().ok(),
        }
    }

    pub(super) fn bind_to_runtime(self) -> Result<Bound> {
        let Self { socket, label, inherited } = self;
        let bind = || -> io::Result<BoundSocket> {
            Ok(match socket {
                Socket::Unix(listener, file) => {
                    listener.set_nonblocking(true)?;
                    BoundSocket::Unix(UnixListener::from_std(listener)?, file)
                }
                Socket::Tcp(listener, certificates) => {
                    listener.set_nonblocking(true)?;
                    BoundSocket::Tcp(TcpListener::from_std(listener)?, certificates)
                }
            })
        };
        match bind() {
            Ok(socket) => Ok(Bound { socket, label, inherited }),
            Err(source) => Err(Error::Serve { listener: label, source }),
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listener").field(&self.label).finish()
    }
}

/// A listener in the hands of the runtime.
pub(super) struct Bound {
    socket: BoundSocket,
    label: String,
    inherited: bool,
}

enum BoundSocket {
    Unix(UnixListener, Option<SocketFile>),
    Tcp(TcpListener, Option<Certificates>),
}

/// A connection, the handshake still to be made.
pub(super) enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream, Option<Certificates>),
}

impl Accepted {
    /// The other end, for the log.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Unix(stream) => match stream.peer_cred().map(|who| who.pid()) {
                Ok(Some(pid)) => format!("process {pid}"),
                _ => "a process of this host".to_owned(),
            },
            Self::Tcp(stream, _) => stream
                .peer_addr()
                .map_or_else(|_| "a peer that has gone".to_owned(), |address| address.to_string()),
        }
    }
}

impl Bound {
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) async fn accept(&mut self) -> io::Result<Accepted> {
        std::future::poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match &self.socket {
            BoundSocket::Unix(listener, _) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Accepted::Unix(stream))
            }
            BoundSocket::Tcp(listener, certificates) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                // Answers are small and waited for.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "cannot turn off delays");
                }
                Accepted::Tcp(stream, certificates.clone())
            }),
        }
    }

    /// Closes the socket and gives the connections in its queue, which closing would reset. Its file goes first, so
    /// that no more come.
    pub(super) fn close(self) -> Vec<Accepted> {
        let mut queued = Vec::new();
        if self.inherited {
            return queued;
        }
        // The runtime may not have heard of the latest connections, so the system is asked.
        let drain = || -> io::Result<()> {
            match self.socket {
                BoundSocket::Unix(listener, file) => {
                    drop(file);
                    let listener = listener.into_std()?;
                    while queued.len() < MAX_QUEUED {
                        let (stream, _) = listener.accept()?;
                        stream.set_nonblocking(true)?;
                        queued.push(Accepted::Unix(UnixStream::from_std(stream)?));
                    }
                }
                BoundSocket::Tcp(listener, certificates) => {
                    let listener = listener.into_std()?;
                    while queued.len() < MAX_QUEUED {
                        let (stream, _) = listener.accept()?;
                        stream.set_nonblocking(true)?;
                        queued.push(Accepted::Tcp(TcpStream::from_std(stream)?, certificates.clone()));
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = drain()
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(listener = self.label, %error, "cannot empty the queue");
        }
        queued
    }
}

fn bind(address: SocketAddr) -> Result<StdTcpListener> {
    StdTcpListener::bind(address).map_err(|source| Error::Tcp { address, source })
}

/// Refuses what would let anybody who reaches the address in.
fn check_open(address: SocketAddr, open: OpenTcp, certificates: Option<&Certificates>) -> Result<()> {
    if open == OpenTcp::Anybody || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    match certificates {
        None => Err(Error::PlainTcpRefused { address }),
        Some(certificates) if !certificates.know_clients() => Err(Error::OpenTlsRefused { address }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_tcp_socket_without_tls_is_for_this_host_only() {
        let bound = |address| StdTcpListener::bind::<SocketAddr>(address).unwrap();
        let everywhere = bound(([0, 0, 0, 0], 0).into());
        let refused = Listener::inherited_tcp(everywhere, "plugin", OpenTcp::LoopbackOnly, None);
        assert!(matches!(refused, Err(Error::PlainTcpRefused { .. })));
        let here = bound(([127, 0, 0, 1], 0).into());
        assert!(Listener::inherited_tcp(here, "plugin", OpenTcp::LoopbackOnly, None).is_ok());
    }
}
