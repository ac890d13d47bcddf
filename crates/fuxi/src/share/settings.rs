//! How Manila's half behaves, beside what both halves go by.

use std::net::IpAddr;
use std::time::Duration;

use host_storage::shares::Protocol;

use super::Identities;
use crate::{Error, Result};

/// Settings of shares.
#[derive(Debug, Clone)]
pub struct ShareSettings {
    /// Protocol of a share without the option `share_proto`.
    pub default_protocol: Protocol,
    /// Type of a share without the option `share_type`; Manila has a default of its own.
    pub default_share_type: Option<String>,
    /// Network of a share without the option `share_network`, for types that need one.
    pub default_share_network: Option<String>,
    /// Availability zone of a share without the option `availability_zone`.
    pub default_availability_zone: Option<String>,
    /// This host's name in the access rules it makes.
    pub host: String,
    /// This host's address towards the storage.
    pub my_ip: Option<IpAddr>,
    /// Who this host is to a share.
    pub identities: Identities,
    /// How long the storage may take to apply an access rule.
    pub access_patience: Duration,
    /// How often the exports of a mounted share are looked at, in case it moved.
    pub exports_checked_every: Duration,
}

impl Default for ShareSettings {
    fn default() -> Self {
        Self {
            default_protocol: Protocol::Nfs,
            default_share_type: None,
            default_share_network: None,
            default_availability_zone: None,
            host: "localhost".into(),
            my_ip: None,
            identities: Identities::default(),
            access_patience: Duration::from_secs(60),
            exports_checked_every: Duration::from_secs(600),
        }
    }
}

impl ShareSettings {
    /// Shares of the default protocol must be usable, or the service had better not start.
    pub(crate) fn check(&self) -> Result<()> {
        self.identity(self.default_protocol).map(drop).map_err(|reason| {
            Error::Settings(format!(
                "shares of the default protocol {} cannot be used: {reason}",
                self.default_protocol
            ))
        })
    }
}
