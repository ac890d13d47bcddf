//! What a driver answers when it fails, and what a server or a discovery file can fail with.

use std::{fmt::Display, io, net::SocketAddr, path::PathBuf};

/// Longest error text passed on to Docker, in bytes: it ends up in a terminal and in the daemon's log.
const LONGEST_TEXT: usize = 4096;

/// A driver's refusal: one line of text that Docker shows to its user word for word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct PluginError {
    text: String,
}

impl PluginError {
    /// Makes an error of `cause`; line breaks and runs of blanks become one blank, so that it is one line.
    pub fn new(cause: impl Display) -> Self {
        let mut text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            // An empty `Err` would be a success to Docker.
            text.push_str("the plugin failed without saying why, see its log");
        }
        if text.len() > LONGEST_TEXT {
            let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
        }
        Self { text }
    }

    /// Makes an error of `cause` and all that caused it, joined by `: `.
    pub fn from_chain(cause: &dyn std::error::Error) -> Self {
        let mut text = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            let part = source.to_string();
            // Many errors already print what caused them.
            if !text.contains(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            next = source.source();
        }
        Self::new(text)
    }

    /// The line of text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<String> for PluginError {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for PluginError {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Why a plugin cannot be served or announced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that is not a socket is where the socket belongs.
    #[error("cannot listen on {path}: it exists and is not a socket, move it away or choose another path", path = path.display())]
    NotASocket {
        /// The path of the socket wanted.
        path: PathBuf,
    },
    /// Another process answers on the socket.
    #[error("cannot listen on {path}: another process listens there, stop it or choose another path", path = path.display())]
    InUse {
        /// The path of the socket wanted.
        path: PathBuf,
    },
    /// The unix socket cannot be made.
    #[error("cannot {action} {path}: {source}, check the directory and its permissions", path = path.display())]
    UnixSocket {
        /// What was tried.
        action: &'static str,
        /// The path it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The TCP address cannot be bound.
    #[error("cannot listen on {address}: {source}, choose another address or free the port")]
    Tcp {
        /// The address wanted.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Plain TCP on an address that others can reach.
    #[error(
        "refusing plain tcp on {address}: anybody who reaches it owns this host, use tls or allow it explicitly"
    )]
    PlainTcpRefused {
        /// The address wanted.
        address: SocketAddr,
    },
    /// TLS without client certificates on an address that others can reach.
    #[error(
        "refusing tls without client certificates on {address}: anybody who reaches it owns this host, name the \
         authority of client certificates or allow it explicitly"
    )]
    OpenTlsRefused {
        /// The address wanted.
        address: SocketAddr,
    },
    /// A file of keys or certificates is of no use.
    #[error("cannot use the tls file {path}: {reason}, give a pem file", path = path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate, key and authorities do not make a working server.
    #[error("cannot set up tls: {reason}, check that certificate and key belong together")]
    Tls {
        /// What the TLS library said.
        reason: String,
    },
    /// A socket passed by the service manager is of no use.
    #[error("cannot use the inherited socket {name}: {reason}, check the socket unit")]
    Activation {
        /// Its name (`FileDescriptorName=`), or its number.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A listener cannot be handed to the asynchronous runtime.
    #[error("cannot serve on {listener}: {source}, restart the service")]
    Serve {
        /// The address or path of the listener.
        listener: String,
        /// What the system said.
        source: io::Error,
    },
    /// A plugin name that Docker could not find again.
    #[error("cannot announce the plugin name {name:?}: use letters, digits, '_', '.' and '-' only")]
    PluginName {
        /// The name wanted.
        name: String,
    },
    /// A discovery file cannot be written.
    #[error("cannot write the discovery file {path}: {source}, check the directory and its permissions", path = path.display())]
    DiscoveryFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What servers and discovery files come back with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_always_one_non_empty_line() {
        assert_eq!(PluginError::new("a\n  b\r\n").text(), "a b");
        assert!(!PluginError::new(" \n").text().is_empty());
        assert!(PluginError::new("ä".repeat(5000)).text().len() <= LONGEST_TEXT);
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        let error =
            Error::Tcp { address: ([127, 0, 0, 1], 1).into(), source: io::Error::other("port taken") };
        let text = PluginError::from_chain(&error).text().to_owned();
        assert_eq!(text.matches("port taken").count(), 1, "{text}");
    }
}
