//! The allowed address pairs of this virtual machine's port: what lets containers on macvlan and ipvlan links send and
//! receive. Others keep pairs of their own there, so each change is made for the revision it was worked out from, and
//! only pairs that were not there before are ever removed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use openstack::network::{AddressPair, Port, PortExtras, PortUpdate};

use super::Trouble;
use super::writer::{Work, Writer};
use crate::{Neutron, Result};

/// Looks and repetitions while others change the port too: agents report its state, people give it addresses.
const TRIES: u32 = 10;
/// The longest pause between two of them is this times their number.
const PAUSE: Duration = Duration::from_millis(10);

/// Neutron's word for pairs on a port that needs none any more. It says so before it looks at the revision.
const UNSECURED: &str = "AddressPairAndPortSecurityRequired";

/// A pair in one notation: Neutron writes an address with and without its length.
type Key = (String, Option<openstack::MacAddr>);

fn key(pair: &AddressPair) -> Key {
    let address = match pair.ip_address.parse::<IpNet>() {
        Ok(range) => range.trunc().to_string(),
        Err(_) => match pair.ip_address.parse::<std::net::IpAddr>() {
            Ok(address) => IpNet::from(address).to_string(),
            Err(_) => pair.ip_address.clone(),
        },
    };
    (address, pair.mac_address)
}

/// Whether an allowed pair's address, or range, has an address in it.
pub(crate) fn covers(pair: &str, address: std::net::IpAddr) -> bool {
    match pair.parse::<IpNet>() {
        Ok(range) => range.contains(&address),
        Err(_) => pair.parse() == Ok(address),
    }
}

/// Who of ours needs which pair of which port; by the id of the container's port.
#[derive(Debug, Default)]
struct Claims(Mutex<BTreeMap<(String, Key), BTreeSet<String>>>);

impl Claims {
    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, Key), BTreeSet<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, port: &str, pairs: &[AddressPair], holder: &str) {
        let mut all = self.all();
        for pair in pairs {
            all.entry((port.to_owned(), key(pair))).or_default().insert(holder.to_owned());
        }
    }

    fn release(&self, port: &str, pairs: &[AddressPair], holder: &str) {
        let mut all = self.all();
        for pair in pairs {
            let at = (port.to_owned(), key(pair));
            if let Some(holders) = all.get_mut(&at) {
                holders.remove(holder);
                if holders.is_empty() {
                    all.remove(&at);
                }
            }
        }
    }

    fn has(&self, port: &str, pair: &AddressPair) -> bool {
        self.all().contains_key(&(port.to_owned(), key(pair)))
    }

    fn has_by(&self, port: &str, pair: &AddressPair, holder: &str) -> bool {
        self.all().get(&(port.to_owned(), key(pair))).is_some_and(|holders| holders.contains(holder))
    }
}

/// A change of a port's pairs.
#[derive(Debug)]
struct Job {
    add: bool,
    holder: String,
    pairs: Vec<AddressPair>,
}

/// The pairs of this machine's port, and of ports in records of an earlier one.
pub(crate) struct Pairs {
    neutron: Arc<dyn Neutron>,
    claims: Arc<Claims>,
    writers: Mutex<HashMap<String, Arc<Writer<OnePort>>>>,
}

impl Pairs {
    pub(crate) fn new(neutron: Arc<dyn Neutron>) -> Self {
        Self { neutron, claims: Arc::default(), writers: Mutex::default() }
    }

    fn writer(&self, port: &str) -> Arc<Writer<OnePort>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Writer::new(OnePort {
                neutron: Arc::clone(&self.neutron),
                claims: Arc::clone(&self.claims),
                id: port.to_owned(),
                known: None,
            }))
        };
        Arc::clone(writers.entry(port.to_owned()).or_insert_with(new))
    }

    /// Notes from the journal that a container's port needs pairs of ours.
    pub(crate) fn remember(&self, port: &str, pairs: &[AddressPair], holder: &str) {
        self.claims.add(port, pairs, holder);
    }

    /// What Neutron has just said of a port, which saves a look.
    pub(crate) async fn learn(&self, port: &Port) {
        self.writer(&port.id).turn().await.note(port);
    }

    /// Those of the pairs that are not there, or are there because of us: only they may be removed one day.
    ///
    /// # Errors
    /// The port is gone; Neutron fails.
    pub(crate) async fn ours(&self, port: &str, pairs: &[AddressPair]) -> Result<Vec<AddressPair>> {
        let writer = self.writer(port);
        let mut turn = writer.turn().await;
        let known = turn.known().await?;
        let theirs = |pair: &AddressPair| known.has(pair) && !self.claims.has(port, pair);
        Ok(pairs.iter().filter(|pair| !theirs(pair)).cloned().collect())
    }

    /// Adds the pairs a container needs; those that are there stay, and only `ours` of them may be removed with it. With
    /// others that are asked for meanwhile in one request, or in none if there is nothing to change.
    ///
    /// # Errors
    /// Neutron's limit of pairs is reached; the port is gone; Neutron fails.
    pub(crate) async fn add(
        &self,
        port: &str,
        pairs: &[AddressPair],
        ours: &[AddressPair],
        holder: &str,
    ) -> Result<()> {
        self.claims.add(port, ours, holder);
        let job = Job { add: true, holder: holder.to_owned(), pairs: pairs.to_vec() };
        Ok(self.writer(port).submit(job).await?)
    }

    /// Those of a container's pairs that turned out to be ours when they were added: somebody may have been quicker.
    pub(crate) fn still_ours(&self, port: &str, pairs: &[AddressPair], holder: &str) -> Vec<AddressPair> {
        pairs.iter().filter(|pair| self.claims.has_by(port, pair, holder)).cloned().collect()
    }

    /// Removes pairs of ours that no other container needs. With others in one request; a port that is gone has none.
    ///
    /// # Errors
    /// Neutron fails.
    pub(crate) async fn remove(&self, port: &str, pairs: &[AddressPair], holder: &str) -> Result<()> {
        let job = Job { add: false, holder: holder.to_owned(), pairs: pairs.to_vec() };
        Ok(self.writer(port).submit(job).await?)
    }
}

/// What is known of a port.
#[derive(Debug, Clone)]
struct Known {
    revision: u64,
    pairs: Vec<AddressPair>,
    /// Without port security everything may pass, and Neutron takes no pairs.
    secured: bool,
}

impl Known {
    fn has(&self, pair: &AddressPair) -> bool {
        self.pairs.iter().any(|has| key(has) == key(pair))
    }
}

/// One port.
struct OnePort {
    neutron: Arc<dyn Neutron>,
    claims: Arc<Claims>,
    id: String,
    known: Option<Known>,
}

impl OnePort {
    fn note(&mut self, port: &Port) {
        // A list may be older than the answer to a change.
        if self.known.as_ref().is_some_and(|known| known.revision > port.revision_number) {
            return;
        }
        self.known = Some(Known {
            revision: port.revision_number,
            pairs: port.allowed_address_pairs.clone(),
            secured: port.port_security_enabled.unwrap_or(true),
        });
    }

    async fn known(&mut self) -> std::result::Result<Known, Trouble> {
        if self.known.is_none() {
            let port =
                self.neutron.get_port(&self.id).await.map_err(|source| self.failed("get port", source))?;
            self.note(&port);
        }
        self.known.clone().ok_or(Trouble::Broken)
    }

    fn failed(&self, action: &'static str, source: openstack::Error) -> Trouble {
        if source.is_kind("AllowedAddressPairExhausted") {
            let reason = "Neutron takes no more allowed address pairs on this virtual machine's port: raise \
                          `max_allowed_address_pair` in neutron.conf, or use [binding] driver = vlan; with ipvlan, \
                          [binding] address_pairs = subnet needs one pair for all containers of a subnet";
            return self.refused(format!("{reason} ({source})"));
        }
        Trouble::Cloud { action, resource: self.id.clone(), source: Box::new(source) }
    }

    fn refused(&self, reason: String) -> Trouble {
        Trouble::Refused { what: "port", resource: self.id.clone(), reason }
    }

    /// What the port is to have, from what it has.
    fn wanted(&self, has: &Known, jobs: &[Job]) -> Vec<AddressPair> {
        let mut wanted = has.pairs.clone();
        for job in jobs.iter().filter(|job| !job.add) {
            for pair in job.pairs.iter().filter(|pair| !self.claims.has(&self.id, pair)) {
                wanted.retain(|there| key(there) != key(pair));
            }
        }
        for pair in jobs.iter().filter(|job| job.add).flat_map(|job| &job.pairs) {
            if !wanted.iter().any(|there| key(there) == key(pair)) {
                wanted.push(pair.clone());
            }
        }
        wanted
    }

    /// A pair that somebody has added since we last looked is his, not ours to remove one day.
    fn leave_to_others(&self, jobs: &[Job], seen: &Known, now: &Known) {
        for job in jobs.iter().filter(|job| job.add) {
            for pair in job.pairs.iter().filter(|pair| now.has(pair) && !seen.has(pair)) {
                self.claims.release(&self.id, std::slice::from_ref(pair), &job.holder);
            }
        }
    }

    /// All jobs in one request; the refusal of all otherwise.
    async fn change(&mut self, jobs: &[Job]) -> std::result::Result<(), Trouble> {
        let removing = jobs.iter().all(|job| !job.add);
        let mut last: Option<openstack::Error> = None;
        let mut seen: Option<Known> = None;
        for attempt in 0..TRIES {
            let known = match self.known().await {
                Ok(known) => known,
                Err(Trouble::Cloud { source, .. }) if source.is_not_found() && removing => return Ok(()),
                Err(trouble) => return Err(trouble),
            };
            if let (Some(seen), true) =
                (&seen, last.as_ref().is_some_and(openstack::Error::is_stale_revision))
            {
                self.leave_to_others(jobs, seen, &known);
            }
            seen = Some(known.clone());
            let pairs = self.wanted(&known, jobs);
            if pairs == known.pairs || !known.secured {
                return Ok(());
            }
            let extras = PortExtras { allowed_address_pairs: Some(pairs), ..PortExtras::default() };
            let update = PortUpdate { extras, ..PortUpdate::default() };
            let refused = match self.neutron.update_port(&self.id, &update, Some(known.revision)).await {
                Ok(port) => {
                    self.note(&port);
                    return Ok(());
                }
                Err(error) => error,
            };
            self.known = None;
            if refused.is_not_found() && removing {
                // Is it gone, or only what it refers to? The next look tells.
                last = Some(refused);
                continue;
            }
            let outdated = refused.is_stale_revision() || refused.is_kind(UNSECURED);
            if !outdated && !refused.effect_unknown() {
                return Err(self.failed("change the address pairs of port", refused));
            }
            last = Some(refused);
            tokio::time::sleep(PAUSE * attempt).await;
        }
        match last {
            Some(error) => Err(self.failed("change the address pairs of port", error)),
            None => Err(Trouble::Broken),
        }
    }
}

#[async_trait]
impl Work for OnePort {
    type Job = Job;
    type Done = ();

    async fn perform(&mut self, jobs: Vec<Job>) -> Vec<std::result::Result<(), Trouble>> {
        // In the writer's turn, so that a container that comes and one that goes agree on whether a pair stays.
        for job in jobs.iter().filter(|job| !job.add) {
            self.claims.release(&self.id, &job.pairs, &job.holder);
        }
        let outcomes = self.change_all(&jobs).await;
        for (job, _) in jobs.iter().zip(&outcomes).filter(|(job, outcome)| !job.add && outcome.is_err()) {
            // Still there, and still ours: it will be tried again.
            self.claims.add(&self.id, &job.pairs, &job.holder);
        }
        outcomes
    }
}

impl OnePort {
    /// One outcome per job: in one request, or each by itself where one spoils it for all.
    async fn change_all(&mut self, jobs: &[Job]) -> Vec<std::result::Result<(), Trouble>> {
        let outcome = self.change(jobs).await;
        let Err(trouble) = outcome else { return jobs.iter().map(|_| Ok(())).collect() };
        let of_one = match &trouble {
            Trouble::Refused { .. } => true,
            // Of a port that is gone, what is to be removed is removed.
            Trouble::Cloud { source, .. } => matches!(source.status(), Some(400 | 404 | 409)),
            Trouble::NoTrunk { .. } | Trouble::Broken => false,
        };
        if !of_one || jobs.len() == 1 {
            return jobs.iter().map(|_| Err(trouble.clone())).collect();
        }
        // One too many spoils it for all: each by itself, those that make room first.
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        order.sort_by_key(|at| jobs.get(*at).is_some_and(|job| job.add));
        let mut outcomes: Vec<std::result::Result<(), Trouble>> = jobs.iter().map(|_| Ok(())).collect();
        for at in order {
            let alone = jobs.get(at..=at).unwrap_or_default();
            let outcome = self.change(alone).await;
            if let Some(slot) = outcomes.get_mut(at) {
                *slot = outcome;
            }
        }
        outcomes
    }
}
