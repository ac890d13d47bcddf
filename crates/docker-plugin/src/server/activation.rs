//! Sockets that systemd opened for us.

use std::{net::TcpListener, os::fd::OwnedFd, os::unix::net::UnixListener};

use rustix::net::{AddressFamily, SocketType, sockopt};

use super::{Listener, OpenTcp, TlsFiles};
use crate::{Error, error::Result};

/// A listening socket inherited from the service manager.
#[derive(Debug)]
pub struct ActivatedSocket {
    name: String,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// The sockets of our socket units (`LISTEN_FDS` and its fellows), empty if there are none.
///
/// # Errors
/// A malformed environment, or a descriptor that is not a listening stream socket.
pub fn activated_sockets() -> Result<Vec<ActivatedSocket>> {
    let inherited = os::listen_fds::listen_fds()
        .map_err(|error| Error::Activation { name: "LISTEN_FDS".to_owned(), reason: error.to_string() })?;
    inherited.into_iter().map(|one| ActivatedSocket::new(one.name, one.fd)).collect()
}

impl ActivatedSocket {
    fn new(name: String, fd: OwnedFd) -> Result<Self> {
        let kind = || -> rustix::io::Result<(AddressFamily, bool)> {
            let listens =
                sockopt::socket_type(&fd)? == SocketType::STREAM && sockopt::socket_acceptconn(&fd)?;
            Ok((sockopt::socket_domain(&fd)?, listens))
        };
        let unusable = |reason: String| Error::Activation { name: name.clone(), reason };
        let socket = match kind() {
            Err(error) => return Err(unusable(error.to_string())),
            Ok((AddressFamily::UNIX, true)) => Socket::Unix(UnixListener::from(fd)),
            Ok((AddressFamily::INET | AddressFamily::INET6, true)) => Socket::Tcp(TcpListener::from(fd)),
            Ok(_) => return Err(unusable("it is not a listening stream socket".to_owned())),
        };
        Ok(Self { name, socket })
    }

    /// `FileDescriptorName=` of the socket unit.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True for a TCP socket, false for a unix socket.
    pub fn is_tcp(&self) -> bool {
        matches!(self.socket, Socket::Tcp(_))
    }

    /// A listener of the socket; `files` and `open` are for TCP only, TLS if there are files.
    ///
    /// # Errors
    /// As [`Listener::tcp`] and [`Listener::tls`].
    pub fn into_listener(self, open: OpenTcp, files: Option<&TlsFiles>) -> Result<Listener> {
        match self.socket {
            Socket::Unix(listener) => Ok(Listener::inherited_unix(listener, &self.name)),
            Socket::Tcp(listener) => Listener::inherited_tcp(listener, &self.name, open, files),
        }
    }
}
