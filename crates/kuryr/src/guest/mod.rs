//! Containers inside a virtual machine: what Neutron has to know of them besides their ports. Each of the two things
//! that all containers share, the machine's trunk and the address pairs of its port, has one writer.

mod identity;
mod limits;
mod pairs;
mod settings;
mod trunk;
mod writer;

use std::sync::Arc;

use openstack::network::AddressPair;

pub(crate) use identity::{Identity, Own};
pub(crate) use pairs::{Pairs, covers};
pub use settings::{GuestMode, GuestSettings, Spares};
pub(crate) use trunk::Trunks;

use crate::host::HostLinks;
use crate::state::Plug;
use crate::{Error, Neutron, Result};

/// What a trunk is called in errors.
const TRUNK: &str = "trunk";

/// Why a job of a batch was not done; each of those who asked hears it.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// A call to Neutron failed.
    Cloud {
        /// As in [`Error::Cloud`].
        action: &'static str,
        /// As in [`Error::Cloud`].
        resource: String,
        /// Neutron's answer.
        source: Box<openstack::Error>,
    },
    /// The state of things forbids it.
    Refused {
        /// As in [`Error::Conflict`].
        what: &'static str,
        /// As in [`Error::Conflict`].
        resource: String,
        /// As in [`Error::Conflict`].
        reason: String,
    },
    /// Somebody has deleted the trunk.
    NoTrunk {
        /// Its id.
        id: String,
    },
    /// Whoever was at it has ended.
    Broken,
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Cloud { action, resource, source } => Self::Cloud { action, resource, source },
            Trouble::Refused { what, resource, reason } => Self::Conflict { what, resource, reason },
            Trouble::NoTrunk { id } => Self::NotFound {
                what: TRUNK,
                resource: id,
                advice: "give this virtual machine's port a trunk again",
            },
            Trouble::Broken => Self::Broken {
                operation: "change",
                resource: "this virtual machine's port".to_owned(),
                reason: "whoever was at it ended".to_owned(),
            },
        }
    }
}

/// The writers, which records of another mode may still need, and what is configured now.
pub(crate) struct Guest {
    pub(crate) trunks: Arc<Trunks>,
    pub(crate) pairs: Pairs,
    identity: Identity,
    /// `None`: not inside a virtual machine.
    pub(crate) settings: Option<GuestSettings>,
}

impl Guest {
    pub(crate) fn new(
        settings: Option<GuestSettings>,
        neutron: &Arc<dyn Neutron>,
        links: &Arc<dyn HostLinks>,
    ) -> Self {
        Self {
            trunks: Arc::new(Trunks::new(Arc::clone(neutron))),
            pairs: Pairs::new(Arc::clone(neutron)),
            identity: Identity::new(Arc::clone(neutron), Arc::clone(links)),
            settings,
        }
    }

    /// How containers are connected, if inside a virtual machine.
    pub(crate) fn mode(&self) -> Option<GuestMode> {
        self.settings.as_ref().map(|settings| settings.mode)
    }

    /// Containers send through the machine's own port.
    pub(crate) fn shares_port(&self) -> bool {
        self.mode().is_some_and(|mode| !mode.needs_trunk())
    }

    /// This virtual machine; an error where none is configured.
    pub(crate) async fn own(&self, settings: &GuestSettings) -> Result<Own> {
        self.identity.own(settings, &self.trunks, &self.pairs).await
    }

    /// This virtual machine, if it was found already.
    pub(crate) fn remembered(&self) -> Option<Own> {
        self.identity.remembered()
    }

    /// The machine's port is to be looked for again.
    pub(crate) async fn forget(&self) {
        self.identity.forget().await;
    }

    /// Forgets the machine's port when Neutron says that it, or its trunk, is not there any more.
    pub(crate) async fn doubt<T>(&self, outcome: Result<T>) -> Result<T> {
        let gone = match &outcome {
            Err(Error::Cloud { source, .. }) => source.is_not_found(),
            Err(Error::NotFound { what, .. }) => *what == TRUNK,
            _ => false,
        };
        if gone {
            self.identity.forget().await;
        }
        outcome
    }

    /// The trunk new ports are for.
    ///
    /// # Errors
    /// This virtual machine's port cannot be found.
    pub(crate) async fn trunk(&self) -> Result<Option<String>> {
        match self.settings.as_ref().filter(|settings| settings.mode.needs_trunk()) {
            Some(settings) => Ok(self.own(settings).await?.trunk),
            None => Ok(None),
        }
    }

    /// The network Docker networks are on where they can be on no other.
    ///
    /// # Errors
    /// This virtual machine's port cannot be found.
    pub(crate) async fn only_network(&self) -> Result<Option<String>> {
        match self.settings.as_ref().filter(|settings| !settings.mode.needs_trunk()) {
            Some(settings) => Ok(Some(self.own(settings).await?.network)),
            None => Ok(None),
        }
    }

    /// The plug without pairs that somebody else has added while it was set up; `None`: it is right as it is.
    pub(crate) fn corrected(&self, plug: &Plug) -> Option<Plug> {
        let (port, ours) = plug.pairs()?;
        let still = self.pairs.still_ours(port, ours, &plug.port_id);
        (still.len() < ours.len()).then(|| plug.with_pairs(still))
    }

    /// Notes what a record of the journal needs of a port.
    pub(crate) fn remember(&self, plug: &Plug) {
        if let Some((port, pairs)) = plug.pairs() {
            self.pairs.remember(port, pairs, &plug.port_id);
        }
    }
}

/// The pairs for addresses: as they are, or the ranges they are in.
pub(crate) fn pairs_for(addresses: &[String], mac: openstack::MacAddr) -> Vec<AddressPair> {
    let pair = |address: &String| AddressPair { ip_address: address.clone(), mac_address: Some(mac) };
    addresses.iter().map(pair).collect()
}
