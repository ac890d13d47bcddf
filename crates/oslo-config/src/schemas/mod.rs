//! The options of this project: kuryr.conf and fuxi.conf as their predecessors knew them, and our own
//! additions.

mod fuxi;
mod keystoneauth;
mod kuryr;
mod logging;

pub use fuxi::fuxi;
pub use kuryr::kuryr;

use crate::schema::{Kind, Opt};

/// Options of our own that both files have.
const OWN: &[Opt] = &[
    Opt::new(
        "host",
        Kind::Host,
        "Name of this container host in OpenStack: the binding host of ports and the host of volume \
         attachments. Without it the host name of the machine is used.",
    ),
    Opt::new("state_dir", Kind::Path, "Directory of the journal. It must survive a reboot.")
        .default("/var/lib/kuryr"),
];
