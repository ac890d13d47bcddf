//! What can go wrong between this process, the kernel's network links and Open vSwitch.

use std::io;
use std::path::PathBuf;

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
    /// A link that cannot stand on another one, or not as wanted.
    #[error("{kind} link {link} cannot stand on {parent}: {cause}")]
    SubLink {
        /// Its name.
        link: String,
        /// Its kind.
        kind: &'static str,
        /// What it would stand on.
        parent: String,
        /// Why not, and what to do.
        cause: String,
    },
    /// A VLAN that another link has.
    #[error(
        "link {link} cannot have VLAN {vlan} on {parent}: another link has it, maybe in a container; use another \
         VLAN, or remove that link"
    )]
    VlanTaken {
        /// Whose it would be.
        link: String,
        /// On which link.
        parent: String,
        /// The number.
        vlan: u16,
    },
    /// A kind of links that this kernel does not have.
    #[error(
        "{kind} link {link} cannot be made on {parent}: this machine's kernel has no module {module}; try \
         `modprobe {module}`, or boot a kernel that has it"
    )]
    NoSuchKind {
        /// Its name.
        link: String,
        /// Its kind.
        kind: &'static str,
        /// What it would stand on.
        parent: String,
        /// The kernel's module for the kind.
        module: &'static str,
    },
    /// A VLAN that does not exist.
    #[error("link {link} cannot use VLAN {vlan}: give a number from 1 to 4094, or 0 for none")]
    Vlan {
        /// Whose it would be.
        link: String,
        /// The number.
        vlan: u16,
    },
    /// A PCI address that is none.
    #[error(
        "{slot:?} is no PCI address: write pci_slot of the port's binding:profile like 0000:3b:02.1, in lower case"
    )]
    PciSlot {
        /// What was given.
        slot: String,
    },
    /// A PCI address that cannot be used for a port.
    #[error(
        "PCI device {slot} cannot be a port's: {cause}; check pci_slot of its binding:profile and sriov_numvfs of \
         the network card"
    )]
    VirtualFunction {
        /// Its address.
        slot: String,
        /// Why not.
        cause: String,
    },
    /// A link that has no such virtual function or cannot set it up.
    #[error(
        "link {pf} cannot set up virtual function {index}: {cause}; check sriov_numvfs and the driver of the network \
         card"
    )]
    NoVirtualFunctions {
        /// The physical function's link.
        pf: String,
        /// The number of the virtual one.
        index: u32,
        /// The kernel's words.
        cause: String,
    },
    /// Nobody listens at the database's socket.
    #[error(
        "cannot reach Open vSwitch's database at {}: {source}; start ovsdb-server (systemctl start \
         openvswitch-switch) or set the socket's path",
        socket.display()
    )]
    OvsAbsent {
        /// The socket.
        socket: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The database's answer did not come.
    #[error(
        "{operation} {port} got no answer from Open vSwitch's database at {} within {seconds} s: {cause}; look \
         into ovsdb-server's log, restart it and try again",
        socket.display()
    )]
    OvsNoAnswer {
        /// What was attempted.
        operation: &'static str,
        /// The port.
        port: String,
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        seconds: f32,
        /// What happened instead.
        cause: String,
    },
    /// What listens at the database's socket is something else.
    #[error(
        "the answer of Open vSwitch's database at {} cannot be read: {text}; check that ovsdb-server listens there",
        socket.display()
    )]
    OvsMalformed {
        /// The socket.
        socket: PathBuf,
        /// What it sent.
        text: String,
    },
    /// The database refused a transaction; nothing of it happened.
    #[error(
        "{operation} {port} was refused by Open vSwitch's database: {text}; look into ovsdb-server's log"
    )]
    OvsRefused {
        /// What was attempted.
        operation: &'static str,
        /// The port.
        port: String,
        /// Its own words.
        text: String,
    },
    /// The bridge a port shall be in does not exist.
    #[error(
        "there is no Open vSwitch bridge named {bridge}; check that this host's Neutron agent, which makes it, runs \
         and that binding:vif_details of the port names the right one"
    )]
    NoBridge {
        /// Its name.
        bridge: String,
    },
    /// A port of the wanted name is somebody else's.
    #[error(
        "port {port} of Open vSwitch {found}; it is not touched here: remove it with ovs-vsctl del-port {port} if \
         nobody needs it"
    )]
    OvsForeign {
        /// Its name.
        port: String,
        /// What it is, in words.
        found: String,
    },
    /// ovs-vswitchd cannot use the link.
    #[error(
        "ovs-vswitchd cannot attach port {port} to bridge {bridge}: {cause}; check that the link exists and look \
         into ovs-vswitchd's log"
    )]
    OvsPort {
        /// The port.
        port: String,
        /// Its bridge.
        bridge: String,
        /// Its own words.
        cause: String,
    },
    /// The database holds the change, the switch has not taken it over.
    #[error(
        "{operation} {port} was not taken over by ovs-vswitchd within {seconds} s; check that it runs \
         (systemctl status openvswitch-switch) and try again"
    )]
    OvsNotProcessed {
        /// What was attempted.
        operation: &'static str,
        /// The port.
        port: String,
        /// How long was waited at most.
        seconds: f32,
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

    /// Whether another link has the wanted VLAN, so that another number would do.
    #[must_use]
    pub fn is_vlan_taken(&self) -> bool {
        matches!(self, Self::VlanTaken { .. })
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
