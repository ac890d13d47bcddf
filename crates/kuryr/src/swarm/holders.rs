//! Who still needs a reservation: the manager, the node whose container has it, or both; each by a tag of its own on
//! the port. Whoever goes last deletes it.
//!
//! Tags change one by one and nobody overwrites another's. What remains is the moment in which the last holder deletes
//! and a new one comes. So the last one first *claims* the port: it gives it the name [`RELEASED`], for the revision in
//! which it saw no other holder. A tag that came in between has changed the revision, and the claim fails; and one
//! that comes later is answered with that name, and its bearer looks for another port.

use std::net::IpAddr;
use std::time::Duration;

use openstack::network::{Port, PortUpdate, Taggable};
use tokio::time::sleep;

use super::is_reservation;
use crate::error::CloudContext;
use crate::service::Inner;
use crate::{Error, Result};

/// Name of a port that is about to be deleted.
pub(crate) const RELEASED: &str = "kuryr-released";
/// The manager holds it.
pub(super) const MANAGER: &str = "kuryr.g";
/// Before the hash of the host that holds it.
const NODE: &str = "kuryr.l.";
/// Looks at a port that changes under our hands.
const LOOKS: usize = 8;
/// Pause between them.
const PAUSE: Duration = Duration::from_millis(20);

/// The tag of a host: as long for every name, and with nothing in it that a path would not take.
pub(super) fn node(host: &str) -> String {
    // FNV-1a: it has to tell hosts apart, not to keep a secret.
    let hash = host.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{NODE}{hash:016x}")
}

pub(super) fn is_holder(tag: &str) -> bool {
    tag == MANAGER || tag.starts_with(NODE)
}

/// Whether somebody holds it.
pub(super) fn any(tags: &[String]) -> bool {
    tags.iter().any(|tag| is_holder(tag))
}

/// Whether somebody else than the bearer of `mine` holds it.
fn others(port: &Port, mine: &str) -> bool {
    port.tags.iter().any(|tag| tag != mine && is_holder(tag))
}

/// Whether another node than that of `mine` holds it.
pub(super) fn other_node(port: &Port, mine: &str) -> bool {
    port.tags.iter().any(|tag| tag != mine && tag.starts_with(NODE))
}

/// Whether the manager holds it.
pub(super) fn manager(tags: &[String]) -> bool {
    tags.iter().any(|tag| tag == MANAGER)
}

/// Whether a node holds it.
pub(super) fn nodes(tags: &[String]) -> bool {
    tags.iter().any(|tag| tag.starts_with(NODE))
}

/// What became of an attempt to hold a port.
#[derive(Debug)]
pub(super) enum Held {
    /// It is held.
    Yes(Box<Port>),
    /// It was being deleted, and is gone now.
    Gone,
}

impl Inner {
    /// Gives up `mine` on the port that has the address; nothing of ours there: nothing to do.
    pub(super) async fn release_held(&self, subnet: &str, address: IpAddr, mine: &str) -> Result<()> {
        match self.port_with(subnet, address).await? {
            Some(port) => self.release_port(port, mine).await,
            None => Ok(()),
        }
    }

    /// Gives up `mine` on a port as it was just seen, and deletes it if nobody else holds it.
    pub(super) async fn release_port(&self, mut port: Port, mine: &str) -> Result<()> {
        for _ in 0..LOOKS {
            // Somebody else's: a port like ours is deleted only where all says that it is one.
            if !is_reservation(&port) {
                return Ok(());
            }
            if port.name == RELEASED {
                return self.neutron.delete_port(&port.id).await.doing("delete port", &port.id);
            }
            if others(&port, mine) {
                if !port.tags.iter().any(|tag| tag == mine) {
                    return Ok(());
                }
                self.remove_holder(&port.id, mine).await?;
            } else if self.claim(&port).await? {
                return self.neutron.delete_port(&port.id).await.doing("delete port", &port.id);
            }
            match self.seen_again(&port.id).await? {
                // The other one may have gone at the same moment, and counted on us.
                Some(now) => port = now,
                None => return Ok(()),
            }
            if others(&port, mine) && !port.tags.iter().any(|tag| tag == mine) {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        let reason = "it changes all the time; trying again later".to_owned();
        Err(Error::Conflict { what: "port", resource: port.id, reason })
    }

    async fn remove_holder(&self, port: &str, mine: &str) -> Result<()> {
        match self.neutron.remove_tag(Taggable::Port, port, mine).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.doing("untag port", port),
        }
    }

    async fn seen_again(&self, port: &str) -> Result<Option<Port>> {
        match self.neutron.get_port(port).await {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some).doing("get port", port),
        }
    }

    /// `false` if it has changed since it was seen.
    async fn claim(&self, port: &Port) -> Result<bool> {
        let update = PortUpdate { name: Some(RELEASED.to_owned()), ..PortUpdate::default() };
        match self.neutron.update_port(&port.id, &update, Some(port.revision_number)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_stale_revision() || error.is_not_found() || error.effect_unknown() => {
                Ok(false)
            }
            Err(error) => Err(error).doing("release port", &port.id),
        }
    }

    /// Holds a port of ours as it was just seen. `looked`: whether the caller sees the port again anyhow before it relies
    /// on it; else it is looked at here.
    pub(super) async fn hold(&self, port: Port, mine: &str, looked: bool) -> Result<Held> {
        if port.name == RELEASED {
            return self.finish_release(&port.id).await;
        }
        if port.tags.iter().any(|tag| tag == mine) {
            return Ok(Held::Yes(Box::new(port)));
        }
        let tagged = match self.neutron.add_tag(Taggable::Port, &port.id, mine).await {
            Err(error) if error.effect_unknown() => {
                self.neutron.add_tag(Taggable::Port, &port.id, mine).await
            }
            other => other,
        };
        match tagged {
            Err(error) if error.is_not_found() => return Ok(Held::Gone),
            other => other.doing("tag port", &port.id)?,
        }
        if looked {
            return Ok(Held::Yes(Box::new(port)));
        }
        match self.seen_again(&port.id).await? {
            Some(now) if now.name == RELEASED => self.finish_release(&now.id).await,
            Some(now) => Ok(Held::Yes(Box::new(now))),
            None => Ok(Held::Gone),
        }
    }

    async fn finish_release(&self, port: &str) -> Result<Held> {
        self.neutron.delete_port(port).await.doing("delete port", port)?;
        Ok(Held::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_host_is_short_and_fits_into_a_path() {
        let tag = node(&"a-very-long-name/".repeat(20));
        assert_eq!(tag.len(), 24);
        assert!(tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'), "{tag}");
        assert_eq!(node("node-1"), node("node-1"));
        assert_ne!(node("node-1"), node("node-2"));
    }
}
