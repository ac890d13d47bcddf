//! Why a link cannot stand on another one, in words: the kernel mostly has a number only.

use rustix::io::Errno;

use super::{CREATING, MacvlanMode, PUTTING, SubLinkKind, SubLinkSpec};
use crate::link::LinkInfo;
use crate::{Error, Links, Result};

const PASSTHRU: SubLinkKind = SubLinkKind::Macvlan { mode: MacvlanMode::Passthru };

impl SubLinkSpec {
    pub(super) fn refused(&self, cause: impl Into<String>) -> Error {
        Error::SubLink {
            link: self.name.clone(),
            kind: self.kind.name(),
            parent: self.parent.clone(),
            cause: cause.into(),
        }
    }

    /// What is wrong whatever the parent is.
    pub(super) fn check(&self) -> Result<()> {
        match self.kind {
            SubLinkKind::Vlan { id } if !(1..=4094).contains(&id) => {
                Err(self.refused(format!("there is no VLAN {id}; give a number from 1 to 4094")))
            }
            SubLinkKind::Ipvlan { .. } if self.mac.is_some() => {
                Err(self.refused("it has the parent's MAC address; give it none of its own"))
            }
            _ => Ok(()),
        }
    }

    /// What this parent cannot carry.
    pub(super) fn check_on(&self, parent: &LinkInfo) -> Result<()> {
        let ethernet = parent.mac.is_some() && !parent.loopback;
        if !ethernet {
            return Err(self.refused("that is no Ethernet link; name the interface of the virtual machine"));
        }
        let beside: &[&str] = match self.kind {
            SubLinkKind::Vlan { .. } => &[],
            SubLinkKind::Macvlan { .. } => &["macvlan", "macvtap"],
            SubLinkKind::Ipvlan { .. } => &["ipvlan", "ipvtap"],
        };
        // The kernel would put it on the link below.
        if parent.kind.as_deref().is_some_and(|kind| beside.contains(&kind)) {
            return Err(self.refused(format!("that is itself {}; name the one below", parent.described())));
        }
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu > parent.mtu) {
            return Err(self.refused(format!(
                "its MTU of {mtu} bytes is above the {} of {}; lower the network's or raise the parent's",
                parent.mtu, parent.name
            )));
        }
        // The kernel would change the parent's.
        if self.kind == PASSTHRU && self.mac.is_some() && self.mac != parent.mac {
            return Err(self.refused("mode passthru gives it the parent's MAC address; give it that or none"));
        }
        Ok(())
    }

    fn no_such_kind(&self) -> Error {
        Error::NoSuchKind {
            link: self.name.clone(),
            kind: self.kind.name(),
            parent: self.parent.clone(),
            module: self.kind.module(),
        }
    }

    /// Somebody else gets the frames of the parent.
    fn busy(&self, parent: &LinkInfo) -> Error {
        if parent.master.is_some() {
            return self.refused("that is in a bridge, a bond or a switch; take it out, or name that");
        }
        let other = match self.kind {
            SubLinkKind::Macvlan { .. } => "ipvlan",
            _ => "macvlan",
        };
        self.refused(format!(
            "it carries {other} links already, maybe in containers, and only one of both kinds; use {other}, or \
             remove them"
        ))
    }

    fn taken(&self) -> Option<Error> {
        let SubLinkKind::Vlan { id } = self.kind else { return None };
        Some(Error::VlanTaken { link: self.name.clone(), parent: self.parent.clone(), vlan: id })
    }

    /// Of what the kernel calls invalid without a word, this is left.
    fn passthru(&self) -> Option<Error> {
        let cause = match self.kind {
            PASSTHRU => {
                "mode passthru is for one link alone and it carries others, maybe in containers; use another mode, or \
                 remove them"
            }
            SubLinkKind::Macvlan { .. } => {
                "it carries one in mode passthru, maybe in a container, and none beside that; remove that one"
            }
            _ => return None,
        };
        Some(self.refused(cause))
    }
}

impl Links {
    /// A kernel's refusal in words. What it has no better ones for stays as it is.
    pub(super) async fn refusal(&self, spec: &SubLinkSpec, error: Error) -> Error {
        let (operation, errno, text) = match &error {
            Error::Absent { operation, .. } => (*operation, Errno::NODEV, ""),
            Error::Kernel { operation, errno, text, .. } => {
                (*operation, Errno::from_raw_os_error(*errno), text.as_str())
            }
            _ => return error,
        };
        // It may have vanished or changed since it was looked at.
        let parent = match self.parent_of(spec).await {
            Ok(parent) => parent,
            Err(absent) => return absent,
        };
        if let Err(better) = spec.check_on(&parent) {
            return better;
        }
        let better = match errno {
            Errno::ADDRINUSE => Some(spec.refused("another link on it has this MAC address; use another")),
            Errno::ADDRNOTAVAIL => Some(spec.refused("its MAC address is not one station's; use another")),
            _ if operation != CREATING => None,
            // Of the two links a creation is about, only the parent can have been missing.
            Errno::NODEV => Some(Error::Absent { operation: PUTTING, link: spec.parent.clone() }),
            // The name is free.
            Errno::EXIST => spec.taken(),
            Errno::OPNOTSUPP | Errno::NOENT if text.is_empty() || text.contains("Unknown device type") => {
                Some(spec.no_such_kind())
            }
            // Loopback and some tunnels.
            Errno::OPNOTSUPP => Some(spec.refused(format!("{text}; name another interface"))),
            Errno::BUSY => Some(spec.busy(&parent)),
            Errno::INVAL if text.is_empty() => spec.passthru(),
            _ => None,
        };
        better.unwrap_or(error)
    }
}
