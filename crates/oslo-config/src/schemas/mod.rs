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

/// TLS towards Docker; fuxi.conf has it by us.
const TLS: &[Opt] = &[
    Opt::new("enable_ssl", Kind::Boolean, "Serve Docker over TLS.").default("false"),
    Opt::new("ssl_cert_file", Kind::Path, "PEM file of the server certificate.")
        .default("/var/lib/kuryr/certs/cert.pem"),
    Opt::new("ssl_key_file", Kind::Path, "PEM file of the server certificate's key.")
        .default("/var/lib/kuryr/certs/key.pem"),
    Opt::new(
        "ssl_ca_file",
        Kind::Path,
        "PEM file of the authorities that sign client certificates. With it clients must present one.",
    ),
];
