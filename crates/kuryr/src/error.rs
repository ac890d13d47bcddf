//! What a request to the service can end in; each text is one line of advice.

use crate::host::{HostError, SubLinkError};

/// A failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be understood or contradicts itself.
    #[error("{what} {resource}: {reason}")]
    Invalid {
        /// Kind of thing.
        what: &'static str,
        /// Its name or value.
        resource: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An option key of ours that does not exist.
    #[error("unknown option `{key}`; did you mean `{nearest}`?")]
    UnknownOption {
        /// The key given.
        key: String,
        /// The nearest known one.
        nearest: String,
    },
    /// Nothing there by that id or name.
    #[error("specified {what} id/name({resource}) does not exist; {advice}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Id or name.
        resource: String,
        /// What to do.
        advice: &'static str,
    },
    /// A name, or the absence of one, fits several.
    #[error("{what} `{resource}` is ambiguous; name one by id: {choices}")]
    Ambiguous {
        /// Kind of thing.
        what: &'static str,
        /// The name.
        resource: String,
        /// The ids that fit.
        choices: String,
    },
    /// The state of things forbids it.
    #[error("{what} {resource}: {reason}")]
    Conflict {
        /// Kind of thing.
        what: &'static str,
        /// Id or name.
        resource: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Somebody has that address.
    #[error("address {address} is used by port {port} ({owner}); choose another address or free that port")]
    AddressTaken {
        /// The address.
        address: std::net::IpAddr,
        /// The port that has it.
        port: String,
        /// What uses the port.
        owner: String,
    },
    /// An automatic range would cut this host off from its own network.
    #[error(
        "automatic range {range} overlaps {device} of this host; pass --subnet with a range that is free here"
    )]
    Overlap {
        /// The range.
        range: String,
        /// The device whose on-link route overlaps.
        device: String,
    },
    /// Neutron could not bind the port to this host.
    #[error("port {port}: Neutron answers vif_type `{vif_type}` for host `{host}`; {advice}")]
    Binding {
        /// The port.
        port: String,
        /// Neutron's answer.
        vif_type: String,
        /// The host asked for.
        host: String,
        /// What to check.
        advice: &'static str,
    },
    /// The port did not come up.
    #[error("port {port} is {status} after {seconds} s; check the Neutron agent of this host")]
    NotActive {
        /// The port.
        port: String,
        /// Its last status.
        status: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A call to Neutron failed.
    #[error("cannot {action} {resource}: {source}")]
    Cloud {
        /// What was attempted, as a verb and a kind.
        action: &'static str,
        /// On which resource.
        resource: String,
        /// Neutron's answer.
        source: Box<openstack::Error>,
    },
    /// A link could not be changed.
    #[error("cannot {action} link {link}: {source}; check this host's links with `ip link`")]
    Link {
        /// What was attempted.
        action: &'static str,
        /// On which link.
        link: String,
        /// The kernel's answer.
        source: HostError,
    },
    /// The virtual switch refused.
    #[error(
        "cannot {action} {resource} in Open vSwitch: {source}; check `ovs-vsctl show` on this host and [ovs] of the \
         configuration"
    )]
    Switch {
        /// What was attempted.
        action: &'static str,
        /// On which port or bridge.
        resource: String,
        /// The switch's answer.
        source: HostError,
    },
    /// A network card's virtual function could not be configured.
    #[error(
        "cannot {action} virtual function {slot}: {source}; check `ip link` and /sys/bus/pci/devices/{slot}"
    )]
    Device {
        /// What was attempted.
        action: &'static str,
        /// Its PCI address.
        slot: String,
        /// The kernel's answer.
        source: HostError,
    },
    /// A site's script failed.
    #[error("script {script} cannot {verb} port {port}: {source}; run it by hand to see why")]
    Script {
        /// The vif type it is for, which is its name.
        script: String,
        /// `bind` or `unbind`.
        verb: String,
        /// The port.
        port: String,
        /// Its complaint.
        source: HostError,
    },
    /// The journal could not be written or read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The operation takes longer than the caller waits; it goes on.
    #[error("{operation} {resource}: not finished after {seconds} s and continues; repeat the command")]
    Deadline {
        /// The operation.
        operation: &'static str,
        /// On which resource.
        resource: String,
        /// The deadline that passed.
        seconds: u64,
    },
    /// A defect here: the task that ran the operation died.
    #[error("{operation} {resource}: broke off ({reason}); see the log and repeat the command")]
    Broken {
        /// The operation.
        operation: &'static str,
        /// On which resource.
        resource: String,
        /// What is known.
        reason: String,
    },
}

impl Error {
    /// Somebody has to do something about it: trying again will not help.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Invalid { .. } | Self::NotFound { .. } | Self::Ambiguous { .. } | Self::Conflict { .. }
        )
    }

    /// The call that failed certainly changed nothing: it was refused, or never sent.
    pub(crate) fn changed_nothing(&self) -> bool {
        match self {
            Self::Cloud { source, .. } => !source.effect_unknown(),
            _ => false,
        }
    }

    /// A creation was sent and never answered: it may still take effect, even after nothing of it was found.
    pub(crate) fn may_come_late(&self) -> bool {
        match self {
            Self::Cloud { action, source, .. } if action.starts_with("create ") => match source.as_ref() {
                openstack::Error::Timeout { .. } => true,
                openstack::Error::Unreachable { sent, .. } => *sent,
                _ => false,
            },
            _ => false,
        }
    }
}

/// Names action and resource of a failed Neutron call.
pub(crate) trait CloudContext<T> {
    fn doing(self, action: &'static str, resource: impl Into<String>) -> Result<T, Error>;
}

impl<T> CloudContext<T> for openstack::Result<T> {
    fn doing(self, action: &'static str, resource: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Cloud { action, resource: resource.into(), source: Box::new(source) })
    }
}

/// Names action and link of a failed link change.
pub(crate) trait LinkContext<T> {
    fn on_link(self, action: &'static str, link: &str) -> Result<T, Error>;
}

impl<T> LinkContext<T> for Result<T, HostError> {
    fn on_link(self, action: &'static str, link: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Link { action, link: link.to_owned(), source })
    }
}

impl<T> LinkContext<T> for Result<T, SubLinkError> {
    fn on_link(self, action: &'static str, link: &str) -> Result<T, Error> {
        self.map_err(HostError::from).on_link(action, link)
    }
}

/// Names action and port or bridge of a failed change of the switch.
pub(crate) trait SwitchContext<T> {
    fn on_switch(self, action: &'static str, resource: &str) -> Result<T, Error>;
}

impl<T> SwitchContext<T> for Result<T, HostError> {
    fn on_switch(self, action: &'static str, resource: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Switch { action, resource: resource.to_owned(), source })
    }
}

/// Names action and PCI address of a failed change of a network card.
pub(crate) trait DeviceContext<T> {
    fn on_device(self, action: &'static str, slot: &str) -> Result<T, Error>;
}

impl<T> DeviceContext<T> for Result<T, HostError> {
    fn on_device(self, action: &'static str, slot: &str) -> Result<T, Error> {
        self.map_err(|source| Error::Device { action, slot: slot.to_owned(), source })
    }
}
