//! What can go wrong between this process and the kernel's network links.

use std::io;

/// Result of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with the link it concerns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No netlink socket.
    #[error("cannot open a netlink socket: {0}; check CAP_NET_ADMIN and the limit of open files")]
    Socket(#[source] io::Error),
    /// The network namespace cannot be entered.
    #[error(
        "cannot enter the network namespace: {0}; check CAP_SYS_ADMIN and that the namespace still exists"
    )]
    Namespace(#[source] io::Error),
    /// A name the kernel would refuse.
    #[error("{name:?} cannot name a network link: use 1 to 15 bytes without spaces, slashes and colons")]
    Name {
        /// What was asked for.
        name: String,
    },
    /// The link a call is about does not exist.
    #[error("{operation}: there is no link named {link}; create it first")]
    Absent {
        /// What was attempted.
        operation: &'static str,
        /// The missing link.
        link: String,
    },
    /// A link has the wanted name and is something else.
    #[error(
        "link {link} exists but is {found} instead of {wanted}; remove or rename it, it is not touched here"
    )]
    Foreign {
        /// Its name.
        link: String,
        /// What it is.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// The kernel refused.
    #[error("{operation} of link {link} was refused: {}", refusal(*errno, text))]
    Kernel {
        /// What was attempted.
        operation: &'static str,
        /// The link.
        link: String,
        /// Positive error number.
        errno: i32,
        /// The kernel's own explanation, empty when it gave none.
        text: String,
    },
    /// The kernel's answer did not come, or its stream ended.
    #[error("{operation} of link {link} got no answer from the kernel{}; try again", deadline(*seconds))]
    NoAnswer {
        /// What was attempted.
        operation: &'static str,
        /// The link.
        link: String,
        /// How long was waited; `None`: the socket is closed.
        seconds: Option<u64>,
    },
}

impl Error {
    /// The kernel's error number, if the kernel refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel { errno, .. } => Some(*errno),
            Self::Socket(error) | Self::Namespace(error) => error.raw_os_error(),
            _ => None,
        }
    }

    /// Whether the link (or its address) does not exist.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. }) || self.is(rustix::io::Errno::NODEV)
    }

    pub(crate) fn is(&self, errno: rustix::io::Errno) -> bool {
        matches!(self, Self::Kernel { errno: found, .. } if *found == errno.raw_os_error())
    }
}

fn refusal(errno: i32, text: &str) -> String {
    let cause = io::Error::from_raw_os_error(errno);
    if text.is_empty() { cause.to_string() } else { format!("{text} ({cause})") }
}

fn deadline(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!(" within {seconds} s")).unwrap_or_default()
}
