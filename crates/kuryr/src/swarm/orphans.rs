//! Reservations that nobody needs though their tags say otherwise.
//!
//! A tag names who needs an address: the managers, or a host. It is taken off without being asked only where the one it
//! names cannot need it: this host's, when its own whole journal has no record of the address and no container has the
//! port's link; the managers', when the subnet belongs to no swarm network any more; another host's, when the managers
//! have given the address up and the port has been bound to no host for an hour. A port that is bound to another host is
//! told and left alone, however long that host has been silent: Neutron cannot say that it runs no container.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use openstack::network::{Listed, Port};

use super::{RESERVATION, SUBNET, holders, is_reservation};
use crate::error::{CloudContext, LinkContext};
use crate::service::Inner;
use crate::state::{PortRow, now};
use crate::{Result, names};

/// What has just been made may not have its tag yet.
const YOUNG: Duration = Duration::from_secs(10 * 60);
/// A host that left an address behind is not asked for longer than this, in milliseconds.
const GRACE: u64 = 60 * 60 * 1000;

/// Since when ports are held by hosts that do not use them; milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<BTreeMap<String, u64>>);

impl Abandoned {
    /// Notes those seen now, forgets the others, and answers those seen for longer than the grace time.
    fn look(&self, seen: &BTreeSet<String>, now: u64) -> BTreeSet<String> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.retain(|id, _| seen.contains(id));
        for id in seen {
            since.entry(id.clone()).or_insert(now);
        }
        let old = |at: &u64| at.saturating_add(GRACE) <= now;
        since.iter().filter(|(_, at)| old(at)).map(|(id, _)| id.clone()).collect()
    }

    #[cfg(test)]
    pub(crate) fn age(&self) {
        self.0.lock().unwrap().values_mut().for_each(|at| *at -= GRACE);
    }
}

/// What is known about the reservations of the cloud.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    pub(crate) ports: Vec<Listed>,
    /// The tag of this host.
    mine: String,
    /// Ports whose other host has left them for long enough.
    abandoned: BTreeSet<String>,
}

/// Whether the hold of some host, on a port that is bound to none and that no manager needs, is all there is.
fn is_left(port: &Listed, mine: &str) -> bool {
    is_unbound(port)
        && !holders::manager(&port.tags)
        && holders::nodes(&port.tags)
        && !port.tags.iter().any(|tag| tag == mine)
}

fn is_unbound(port: &Listed) -> bool {
    port.host_id.as_deref().unwrap_or_default().is_empty() && port.device_owner == RESERVATION
}

fn is_old(port: &Listed) -> bool {
    let age = port.created_at.and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > YOUNG)
}

impl Inner {
    /// Those that a look at Neutron finds; none where networks are local.
    pub(crate) async fn reservations_there(&self, listed: Vec<Listed>) -> Reservations {
        let mine = self.node_tag();
        let left = listed.iter().filter(|p| is_left(p, &mine)).map(|p| p.id.clone()).collect();
        Reservations { abandoned: self.abandoned.look(&left, now()), mine, ports: listed }
    }

    /// Takes off what nobody needs. `false` if it came into use in between.
    pub(crate) async fn remove_reservation(&self, id: &str) -> Result<bool> {
        let mine = self.node_tag();
        let mut port = match self.neutron.get_port(id).await {
            Err(error) if error.is_not_found() => return Ok(true),
            other => other.doing("get port", id)?,
        };
        if !is_reservation(&port) || self.names_address(&port) {
            return Ok(false);
        }
        let link = names::host_link(id);
        if self.host.links.link_exists(&link).await.on_link("look up", &link)? {
            return Ok(false);
        }
        let here = port.host_id.as_deref() == Some(self.settings.host.as_str());
        if here && port.tags.contains(&mine) {
            port = self.unbind_reservation(port.clone(), &super::nodes::as_reservation(&port)).await?;
        } else if !port.host_id.as_deref().unwrap_or_default().is_empty() {
            return Ok(false);
        }
        let tags: Vec<String> = if port.tags.contains(&mine) {
            vec![mine]
        } else {
            port.tags.iter().filter(|tag| holders::is_holder(tag)).cloned().collect()
        };
        match tags.as_slice() {
            [] => self.release_port(port, holders::MANAGER).await?,
            [tag] => self.release_port(port, tag).await?,
            // Both: whoever it is, more than one has to go, and none is proven to.
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a record of the journal is about the port or its address.
    fn names_address(&self, port: &Port) -> bool {
        let names = |row: &PortRow| {
            row.swarm
                && (row.port.as_ref().is_some_and(|known| known.id == port.id)
                    || row.address.is_some_and(|held| {
                        port.fixed_ips
                            .iter()
                            .any(|ip| ip.subnet_id == row.subnet_id && ip.ip_address == held.addr())
                    }))
        };
        self.ports.find(names).is_some()
    }
}

/// Addresses of swarm networks that records of this host name.
pub(crate) type Named = BTreeSet<(String, IpAddr)>;

impl Reservations {
    /// Why a reservation is nobody's, or what is wrong with one that has to stay; `None` for one that is as it should be.
    /// `in_container`: a container of this host has the port's link.
    pub(crate) fn judge(
        &self,
        port: &Listed,
        subnets: &[Listed],
        named: &Named,
        in_container: bool,
    ) -> Option<std::result::Result<&'static str, String>> {
        if port.fixed_ips.iter().any(|ip| named.contains(&(ip.subnet_id.clone(), ip.ip_address))) {
            return None;
        }
        if port.tags.contains(&self.mine) {
            return Some(if in_container {
                Err("of a swarm network, without a record here, but a container of this host has its link"
                    .to_owned())
            } else {
                Ok(
                    "of a swarm network: held for a container of this host, of which there is neither record nor link",
                )
            });
        }
        let tied = |id: &str| subnets.iter().any(|s| s.id == id && s.tags.iter().any(|tag| tag == SUBNET));
        if is_unbound(port) && is_old(port) {
            if !holders::any(&port.tags) {
                return Some(Ok("a reservation that neither a manager nor a node holds"));
            }
            if !holders::nodes(&port.tags) && !port.fixed_ips.iter().any(|ip| tied(&ip.subnet_id)) {
                return Some(Ok("a reservation on a subnet that no swarm network has any more"));
            }
        }
        if holders::manager(&port.tags) || !holders::nodes(&port.tags) {
            return None;
        }
        if self.abandoned.contains(&port.id) {
            return Some(Ok(
                "a reservation that the managers gave up and its host has left unbound for an hour",
            ));
        }
        let host = port.host_id.as_deref().unwrap_or_default();
        // Its host may be about to give it up: that is how a container ends.
        is_old(port).then(|| {
            Err(format!(
                "the managers gave it up, and host `{host}` has not; if that host is gone, remove it with `openstack \
                 port delete`"
            ))
        })
    }
}
