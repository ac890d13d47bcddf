//! Whose a thing is. Decides, does nothing.
//!
//! A thing is removed only if **all** of this holds: it carries a mark of this installation; no record of the journal
//! names it, and every record could be read; its other facts are as we made them, so nobody has taken it over; and
//! nobody uses it. Anything less is told to the operator and left alone.

use std::collections::BTreeSet;
use std::time::SystemTime;

use openstack::network::Listed;

use super::facts::{Facts, Shared};
use super::known::Known;
use super::report::{Orphan, OrphanAction, OrphanKind};
use crate::marks::{Marks, mark_in};
use crate::names;

/// What is provably ours and nobody's, and what is only worth telling.
pub(super) struct Judge<'a> {
    pub(super) facts: &'a Facts,
    pub(super) known: &'a Known,
    pub(super) marks: &'a Marks,
    /// Name of this host in Neutron.
    pub(super) host: &'a str,
}

/// `Ok`: ours, and why. `Err`: left alone, and why.
type Verdict = Result<&'static str, String>;

impl Judge<'_> {
    /// In the order of removal: whoever uses a thing goes before it.
    pub(super) fn orphans(&self) -> Vec<Orphan> {
        let mut orphans = self.switch_ports();
        orphans.extend(self.links());
        let unknown = |listed: &&Listed| !self.known.id(&listed.id);
        let facts = self.facts;
        let free = |p: &&Listed| !self.known.record(&p.device_id) && self.mark_is_free(p);
        let reservation = |p: &&Listed| crate::swarm::is_described(&p.device_owner, &p.description);
        for port in facts.ports.iter().filter(unknown).filter(free).filter(|p| !reservation(p)) {
            orphans.push(self.listed(OrphanKind::Port, port, self.host, self.port(port)));
        }
        orphans.extend(self.reservations());
        let marked = |kind, list: &[Listed], judge: &dyn Fn(&Listed) -> Verdict| -> Vec<Orphan> {
            let strangers = list.iter().filter(unknown).filter(|l| mark_in(&l.description).is_some());
            let strangers = strangers.filter(|l| self.mark_is_free(l));
            strangers.map(|l| self.listed(kind, l, "", judge(l))).collect()
        };
        orphans.extend(marked(OrphanKind::SecurityGroup, &facts.groups, &|g| self.group(g)));
        let made: BTreeSet<&str> = facts
            .networks
            .iter()
            .filter(|n| mark_in(&n.description).is_some())
            .map(|n| n.id.as_str())
            .collect();
        let subnets: Vec<Listed> =
            facts.subnets.iter().filter(|s| !made.contains(s.network_id.as_str())).cloned().collect();
        orphans.extend(marked(OrphanKind::Subnet, &subnets, &|s| self.subnet(s)));
        // Of a swarm network no record is kept: its tags say all of it.
        let networks: Vec<Listed> =
            facts.networks.iter().filter(|n| !crate::swarm::is_allocated(&n.tags)).cloned().collect();
        orphans.extend(marked(OrphanKind::Network, &networks, &|n| self.network(n)));
        orphans.extend(marked(OrphanKind::SubnetPool, &facts.pools, &|p| self.pool(p)));
        orphans.extend(self.endpoints());
        orphans
    }

    fn mark_is_free(&self, listed: &Listed) -> bool {
        self.marks.ours(&listed.description).is_none_or(|mark| !self.known.mark(self.marks, mark))
    }

    /// What every kind needs first.
    fn ours(&self, description: &str) -> Verdict {
        if self.marks.ours(description).is_none() {
            return Err("made by another kuryr, an earlier version or the Python driver; \
                        remove it by hand if nobody needs it"
                .to_owned());
        }
        if self.known.incomplete {
            return Err(
                "entries of the journal cannot be read and may name it; repair or remove them, see the log"
                    .to_owned(),
            );
        }
        Ok("made by this installation, and no record names it")
    }

    fn port(&self, port: &Listed) -> Verdict {
        if port.tags.iter().any(|tag| tag == names::PORT_EXISTING) {
            return Err("existed before a container used it and its record is lost; \
                        clear device and host with `openstack port unset` and `set` to give it back"
                .to_owned());
        }
        self.ours(&port.description)?;
        let reserved = self.marks.ours(&port.description).map(|mark| self.marks.record(mark));
        let nobodys = self.facts.shared.is_some() && port.device_id.is_empty();
        if !nobodys && reserved != Some(port.device_id.as_str()) && !names::is_docker_id(&port.device_id) {
            return Err(format!("made by this installation, but used by `{}` now", shown(&port.device_id)));
        }
        if port.vnic_type.as_deref().is_some_and(|vnic| vnic != "normal") {
            return Err(
                "made by this installation, but whether its device is in use cannot be told".to_owned()
            );
        }
        if let Some(shared) = &self.facts.shared {
            return self.port_of_machine(port, shared);
        }
        let link = names::host_link(&port.id);
        let idle = self
            .facts
            .links
            .iter()
            .any(|l| l.name == link && !l.in_use && self.marks.port_of_link(&l.mark).is_some());
        if self.facts.plugged.contains(&link) && !idle {
            return Err(format!("made by this installation, but its link {link} is in a container"));
        }
        Ok("made by this installation for this host, no record names it, and no container has its link")
    }

    /// Inside a virtual machine a container's link is not seen. It is idle if it is here; otherwise it may be in use as
    /// long as Neutron would let it send.
    fn port_of_machine(&self, port: &Listed, shared: &Shared) -> Verdict {
        let link = names::container_link(&port.id);
        let allowed = |ip: &openstack::network::FixedIp| {
            shared.allowed.iter().any(|pair| crate::guest::covers(pair, ip.ip_address))
        };
        let mut here = self.facts.links.iter().filter(|l| l.name == link);
        if here.any(|l| self.marks.port_of_link(&l.mark).is_some()) {
            // Whose a pair is, nothing at it says.
            return Ok(if port.fixed_ips.iter().any(allowed) {
                "made by this installation for this machine, no record names it, and its link is in no container; its \
                 address stays an allowed pair of this machine's port, remove that if nobody else needs it"
            } else {
                "made by this installation for this machine, no record names it, and its link is in no container"
            });
        }
        if shared.members.contains(&port.id) {
            return Err("made by this installation, but in the trunk, and whether a container has its link cannot be \
                        told; if none does, take it out with `openstack network trunk unset --subport`"
                .to_owned());
        }
        if port.fixed_ips.iter().any(allowed) {
            return Err(
                "made by this installation, but its address is an allowed pair of this machine's port, and \
                        whether a container has it cannot be told; if none does, remove that pair"
                    .to_owned(),
            );
        }
        Ok("made by this installation for this machine, no record names it, and nothing can send from it")
    }

    /// Addresses of swarm networks that nobody needs, and those that have to stay though something is wrong with them.
    fn reservations(&self) -> Vec<Orphan> {
        let known = &self.known;
        let judge = |port: &Listed| {
            let link = names::host_link(&port.id);
            let idle = self
                .facts
                .links
                .iter()
                .any(|l| l.name == link && !l.in_use && self.marks.port_of_link(&l.mark).is_some());
            let in_container = self.facts.plugged.contains(&link) && !idle;
            let verdict =
                self.facts.reservations.judge(port, &self.facts.subnets, &known.reserved, in_container)?;
            let verdict = match verdict {
                Ok(_) if known.incomplete => {
                    Err("entries of the journal cannot be read and may name it; repair or remove them, see the log"
                        .to_owned())
                }
                other => other,
            };
            let host = port.host_id.as_deref().unwrap_or_default();
            Some(self.listed(OrphanKind::Reservation, port, host, verdict))
        };
        self.facts.reservations.ports.iter().filter(|p| !known.id(&p.id)).filter_map(judge).collect()
    }

    fn group(&self, group: &Listed) -> Verdict {
        let yes = self.ours(&group.description)?;
        let stays = |p: &&Listed| p.security_groups.contains(&group.id) && !self.port_goes(p);
        match self.facts.ports.iter().find(stays) {
            Some(port) => Err(format!("made by this installation, but port {} has it", port.id)),
            None => Ok(yes),
        }
    }

    fn port_goes(&self, port: &Listed) -> bool {
        !self.known.id(&port.id)
            && !self.known.record(&port.device_id)
            && self.mark_is_free(port)
            && self.port(port).is_ok()
    }

    fn subnet(&self, subnet: &Listed) -> Verdict {
        let yes = self.ours(&subnet.description)?;
        let network = self.facts.networks.iter().find(|n| n.id == subnet.network_id);
        if network.is_none_or(|n| !self.known.all_tagged(&n.tags)) {
            return Err(
                "made by this installation, but Docker may still know the network it was made for".to_owned()
            );
        }
        Ok(yes)
    }

    fn network(&self, network: &Listed) -> Verdict {
        let yes = self.ours(&network.description)?;
        if !network.tags.is_empty() {
            return Err(
                "made by this installation, but its tags say that a Docker network may still use it; \
                        remove it by hand if none does"
                    .to_owned(),
            );
        }
        if !network.name.starts_with("kuryr-net-") {
            return Err("made by this installation, but somebody has renamed it".to_owned());
        }
        Ok(yes)
    }

    fn pool(&self, pool: &Listed) -> Verdict {
        let yes = self.ours(&pool.description)?;
        let uses = |s: &&Listed| s.subnetpool_id.as_ref() == Some(&pool.id);
        match self.facts.subnets.iter().find(uses) {
            // With its network.
            Some(subnet) if !self.goes(subnet) => {
                Err(format!("made by this installation, but subnet {} is from it", subnet.id))
            }
            _ => Ok(yes),
        }
    }

    /// Whether the subnet is about to be removed, by itself or with its network.
    fn goes(&self, subnet: &Listed) -> bool {
        let network = self.facts.networks.iter().find(|n| n.id == subnet.network_id);
        network.is_some_and(|n| !self.known.id(&n.id) && self.mark_is_free(n) && self.network(n).is_ok())
    }

    /// Whether a container has a link with this mark. Between it and the switch there may be others with the same.
    fn in_container(&self, mark: &str) -> bool {
        self.facts.links.iter().any(|link| link.in_use && link.mark == mark)
    }

    fn links(&self) -> Vec<Orphan> {
        let named = |name: &str| {
            self.known.endpoints.iter().any(|e| e.plug.as_ref().is_some_and(|plug| plug.host == name))
        };
        let unknown = self.facts.links.iter().filter(|l| {
            !named(&l.name) && !self.marks.port_of_link(&l.mark).is_some_and(|port| self.known.id(port))
        });
        // A bridge goes when its links are gone.
        let (bridges, pairs): (Vec<_>, Vec<_>) =
            unknown.partition(|link| link.peer.is_none() && link.sub.is_none());
        let judged = pairs.into_iter().chain(bridges).map(|link| {
            let verdict = if self.marks.port_of_link(&link.mark).is_none() {
                Err("made by another kuryr or an earlier version".to_owned())
            } else if self.known.incomplete {
                self.ours("").map_err(|_| "entries of the journal cannot be read and may name it".to_owned())
            } else if self.in_container(&link.mark) {
                Err("made by this installation, but the end of its port's link is in a container".to_owned())
            } else {
                Ok("made by this installation, no record names its port, and both ends are here")
            };
            self.orphan(OrphanKind::Link, &link.name, verdict)
        });
        judged.collect()
    }

    fn switch_ports(&self) -> Vec<Orphan> {
        let unknown =
            self.facts.switch_ports.iter().filter(|port| {
                !port.external_ids.get(crate::host::IFACE_ID).is_some_and(|id| self.known.id(id))
            });
        let judged = unknown.map(|port| {
            let mark = port.external_ids.get(crate::host::MARK).map(String::as_str).unwrap_or_default();
            let verdict = if self.marks.port_of_link(mark).is_none() {
                Err("made by another kuryr, an earlier version or the Python driver".to_owned())
            } else if self.known.incomplete {
                Err("entries of the journal cannot be read and may name it".to_owned())
            } else if self.in_container(mark) {
                Err("made by this installation, but its link is in a container".to_owned())
            } else {
                Ok("made by this installation, and no record names its port")
            };
            self.orphan(OrphanKind::SwitchPort, &port.name, verdict)
        });
        judged.collect()
    }

    /// Of the journal itself: nothing to remove, Docker will ask for that, but worth knowing.
    fn endpoints(&self) -> Vec<Orphan> {
        let trouble = |e: &crate::state::EndpointRow| {
            let plug = e.plug.as_ref()?;
            if self.facts.lost_ports.contains(&plug.port_id) {
                return Some(format!(
                    "its port {} was deleted in Neutron; start its container again",
                    plug.port_id
                ));
            }
            // In a container such a link is not seen.
            let away = plug.is_sub_link() && e.joined;
            if !away && !self.facts.plugged.contains(&plug.host) {
                return Some(format!(
                    "its link {} is gone; Docker removes it when it starts or removes the container",
                    plug.host
                ));
            }
            None
        };
        let found = self.known.endpoints.iter().filter_map(|e| Some((e, trouble(e)?)));
        found.map(|(e, why)| self.orphan(OrphanKind::Endpoint, &e.id, Err(why))).collect()
    }

    fn orphan(&self, kind: OrphanKind, id: &str, verdict: Verdict) -> Orphan {
        let (action, why) = match verdict {
            Ok(why) => (OrphanAction::WouldRemove, why.to_owned()),
            Err(why) => (OrphanAction::Left, why),
        };
        Orphan {
            kind,
            id: id.to_owned(),
            name: String::new(),
            age_seconds: None,
            host: self.host.to_owned(),
            why,
            action,
            failure: None,
        }
    }

    fn listed(&self, kind: OrphanKind, listed: &Listed, host: &str, verdict: Verdict) -> Orphan {
        let age = listed.created_at.and_then(|at| SystemTime::now().duration_since(at).ok());
        Orphan {
            name: shown(&listed.name),
            age_seconds: age.map(|age| age.as_secs()),
            host: host.to_owned(),
            ..self.orphan(kind, &listed.id, verdict)
        }
    }
}

/// Somebody else's text on one line of a table.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(100).collect()
}
