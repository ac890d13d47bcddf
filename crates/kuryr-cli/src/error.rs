//! Why the command fails.

use std::path::PathBuf;

/// A failure of the command, one line of advice.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Errors in the configuration were printed one by one.
    #[error("the configuration has {count} error{}; nothing was started", if *count == 1 { "" } else { "s" })]
    Configuration {
        /// How many.
        count: usize,
    },
    /// No configuration at all.
    #[error(
        "neither kuryr.conf nor fuxi.conf was found; write one (`kuryr config sample kuryr` shows all options) or \
         name it with --config-file or --fuxi-config-file"
    )]
    NoConfiguration,
    /// A setting that cannot be used yet or at all.
    #[error("{0}")]
    Setting(String),
    /// The schema and the reading code disagree.
    #[error("cannot read an option: {0}; this is a defect, please report it")]
    Option(#[from] oslo_config::ReadError),
    /// Credentials cannot be read.
    #[error(transparent)]
    OpenStack(#[from] openstack::Error),
    /// The state directory.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The network service.
    #[error(transparent)]
    Kuryr(#[from] kuryr::Error),
    /// The volume service.
    #[error(transparent)]
    Fuxi(#[from] fuxi::Error),
    /// The directory volumes are mounted in.
    #[error(transparent)]
    Storage(#[from] host_storage::Error),
    /// A listener.
    #[error(transparent)]
    Plugin(#[from] docker_plugin::Error),
    /// The host's links.
    #[error("cannot open a netlink socket: {0}; kuryr needs CAP_NET_ADMIN")]
    Netlink(String),
    /// The development cloud.
    #[error("the development cloud: {0}")]
    Devcloud(String),
    /// The demo.
    #[error("{0}")]
    Demo(String),
    /// A directory that is to be new.
    #[error("{} is not empty, and nothing in it is overwritten; name another directory with --dir", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// Certificates cannot be made.
    #[error("cannot make certificates for {hosts}: {reason}; give names and addresses with --host")]
    Certificates {
        /// For whom.
        hosts: String,
        /// Why not.
        reason: String,
    },
    /// A file or process.
    #[error("cannot {action} {}: {source}", what.display())]
    Io {
        /// The verb.
        action: &'static str,
        /// The file or program.
        what: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A server ended although nobody asked it to.
    #[error("a plugin's server died: {reason}; this is a defect, please report it")]
    Died {
        /// How.
        reason: String,
    },
    /// Orphans that stay although they are ours.
    #[error("{count} orphan{} could not be removed; the reasons are above, repeat the command", if *count == 1 { "" } else { "s" })]
    NotRemoved {
        /// How many.
        count: usize,
    },
    /// A running service refused a request.
    #[error("{0}")]
    Refused(String),
    /// A journal of another machine.
    #[error(
        "the state directory {} was written on machine {written}, and this is {here}: it came with a copied disk, and what \
         it says of ports and volumes is that machine's; remove the directory here, or only its file `machine` if this is \
         the same machine with a new name", path.display()
    )]
    CopiedState {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        written: String,
        /// Where it is.
        here: String,
    },
    /// Nodes of a swarm on which something could not be done.
    #[error("{count} node{} failed, see above; the others are done, repeat the command", if *count == 1 { "" } else { "s" })]
    Nodes {
        /// How many.
        count: usize,
    },
    /// Nobody serves on this host.
    #[error("no `kuryr serve` answers on {}: {reason}; is it running, with this state_dir?", socket.display())]
    NotServing {
        /// The status socket.
        socket: PathBuf,
        /// Why it does not answer.
        reason: String,
    },
}
