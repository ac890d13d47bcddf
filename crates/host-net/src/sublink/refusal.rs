//! Why a link cannot stand on another one, in words: the kernel mostly has a number only.

use rustix::io::Errno;

use super::{MacvlanMode, SubLinkKind, SubLinkSpec};
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
        // The kernel would put it beside the parent instead.
        if parent.kind.as_deref() == Some(self.kind.name()) && !matches!(self.kind, SubLinkKind::Vlan { .. })
        {
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

    /// The VLAN, if this refusal says that another link has it.
    fn taken(&self, text: &str, named: bool) -> Option<Error> {
        let SubLinkKind::Vlan { id } = self.kind else { return None };
        // Kernels before 4.15 do not say which of both exists.
        let taken = if text.is_empty() { !named } else { text.contains("VLAN") };
        taken.then(|| Error::VlanTaken { link: self.name.clone(), parent: self.parent.clone(), vlan: id })
    }
}

impl Links {
    /// A kernel's refusal in words. What it has no better ones for stays as it is.
    pub(super) async fn refusal(&self, spec: &SubLinkSpec, error: Error) -> Error {
        let (errno, text) = match &error {
            // Of the two links the request is about, only the parent can have been missing.
            Error::Absent { operation: "creating", .. } => (Errno::NODEV, String::new()),
            Error::Kernel { errno, text, .. } => (Errno::from_raw_os_error(*errno), text.clone()),
            _ => return error,
        };
        let now = async {
            let parent = self.parent_of(spec).await?;
            spec.check_on(&parent)?;
            Ok((parent, self.link(&spec.name).await?.is_some()))
        };
        let (parent, named) = match now.await {
            Ok(now) => now,
            Err(better) => return better,
        };
        let better = match errno {
            Errno::NODEV => {
                Some(Error::Absent { operation: "putting a link on it", link: spec.parent.clone() })
            }
            Errno::EXIST => spec.taken(&text, named),
            Errno::OPNOTSUPP | Errno::NOENT if text.is_empty() || text.contains("Unknown device type") => {
                Some(Error::NoSuchKind {
                    link: spec.name.clone(),
                    kind: spec.kind.name(),
                    parent: spec.parent.clone(),
                    module: spec.kind.module(),
                })
            }
            Errno::BUSY => Some(spec.refused(busy(&parent))),
            Errno::INVAL if text.is_empty() => passthru(spec),
            Errno::ADDRINUSE => Some(spec.refused("another link on it has this MAC address; use another")),
            Errno::ADDRNOTAVAIL => {
                Some(spec.refused("its MAC address is not that of one station; use another"))
            }
            _ => None,
        };
        better.unwrap_or(error)
    }
}

fn busy(parent: &LinkInfo) -> String {
    if parent.master.is_some() {
        return "that is in a bridge, a bond or a switch; take it out, or name that".to_owned();
    }
    "it carries links of another kind (macvlan or ipvlan) already, maybe in containers; use that kind, or remove them"
        .to_owned()
}

fn passthru(spec: &SubLinkSpec) -> Option<Error> {
    match spec.kind {
        PASSTHRU => Some(spec.refused(
            "mode passthru is for one link alone and it carries others, maybe in containers; use another mode, or \
             remove them",
        )),
        SubLinkKind::Macvlan { .. } => Some(spec.refused(
            "it carries one in mode passthru, maybe in a container, and no other beside that; remove it",
        )),
        _ => None,
    }
}
