//! The trunk of this virtual machine: containers' ports become its subports, each with a VLAN of its own.
//!
//! The VLAN is chosen from what Neutron last said of the trunk. Somebody else may have taken it since: Neutron refuses
//! it then, and another one is chosen from a fresh look.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use openstack::network::{SubPort, Trunk};

use super::Trouble;
use super::writer::{Work, Writer};
use crate::{Neutron, Result};

/// The last VLAN id of IEEE 802.1Q; 4095 is reserved.
const LAST: u16 = 4094;
/// Segmentation type of all subports of ours.
const VLAN: &str = "vlan";
/// Neutron's word for a VLAN, or a port, that the trunk has already.
const DUPLICATE: &str = "DuplicateSubPort";
/// Looks and repetitions before a job is given up.
const TRIES: u32 = 6;
/// The longest pause between two of them is this times their number.
const PAUSE: Duration = Duration::from_millis(20);

type Outcome<T> = std::result::Result<T, Trouble>;

/// What is asked of a trunk.
#[derive(Debug)]
enum Job {
    Attach { port: String },
    Detach { port: String },
}

/// All trunks there is something to do with: this machine's, and those of records of an earlier one.
pub(crate) struct Trunks {
    neutron: Arc<dyn Neutron>,
    writers: Mutex<HashMap<String, Arc<Writer<OneTrunk>>>>,
}

impl Trunks {
    pub(crate) fn new(neutron: Arc<dyn Neutron>) -> Self {
        Self { neutron, writers: Mutex::default() }
    }

    fn writer(&self, trunk: &str) -> Arc<Writer<OneTrunk>> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Writer::new(OneTrunk::new(Arc::clone(&self.neutron), trunk)));
        Arc::clone(writers.entry(trunk.to_owned()).or_insert_with(new))
    }

    /// Makes a port a subport and answers its VLAN; one that is a subport already stays as it is. With others that are
    /// asked for meanwhile in one request.
    ///
    /// # Errors
    /// No VLAN is free; the port is in other use; the trunk is gone; Neutron fails.
    pub(crate) async fn attach(&self, trunk: &str, port: &str) -> Result<u16> {
        let done = self.writer(trunk).submit(Job::Attach { port: port.to_owned() }).await?;
        done.ok_or_else(|| Trouble::Broken.into())
    }

    /// Takes a port out of the trunk; one that is not in it is taken out. With others in one request.
    ///
    /// # Errors
    /// Neutron fails.
    pub(crate) async fn detach(&self, trunk: &str, port: &str) -> Result<()> {
        Ok(self.writer(trunk).submit(Job::Detach { port: port.to_owned() }).await.map(drop)?)
    }

    /// What Neutron has just said of a trunk, which saves a look.
    pub(crate) async fn learn(&self, trunk: &str, sub_ports: &[SubPort]) {
        self.writer(trunk).turn().await.note(sub_ports);
    }

    /// A VLAN that the kernel refuses on this machine's interface: not to be chosen again.
    pub(crate) async fn avoid(&self, trunk: &str, vlan: u16) {
        self.writer(trunk).turn().await.avoided.insert(vlan);
    }

    /// The ports in the trunk with their VLANs, asked anew; `None`: there is no such trunk.
    ///
    /// # Errors
    /// Neutron fails.
    pub(crate) async fn members(&self, trunk: &str) -> Result<Option<BTreeMap<String, u16>>> {
        let writer = self.writer(trunk);
        let mut turn = writer.turn().await;
        if !turn.look().await? {
            return Ok(None);
        }
        Ok(Some(turn.by_vlan.iter().flatten().map(|(vlan, port)| (port.clone(), *vlan)).collect()))
    }
}

/// One trunk, and what is known of it.
struct OneTrunk {
    neutron: Arc<dyn Neutron>,
    id: String,
    /// Ports by VLAN as Neutron last said; `None`: not asked yet, or not to be trusted.
    by_vlan: Option<BTreeMap<u16, String>>,
    /// Refused by the kernel.
    avoided: BTreeSet<u16>,
    /// The last VLAN chosen: the next ones come after it, so that one that was given back rests before it is used again.
    last: u16,
}

impl OneTrunk {
    fn new(neutron: Arc<dyn Neutron>, id: &str) -> Self {
        // Machines, or starts of one, that choose at the same moment do not choose alike.
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let last = u16::try_from(seed % u64::from(LAST)).unwrap_or_default();
        Self { neutron, id: id.to_owned(), by_vlan: None, avoided: BTreeSet::new(), last }
    }

    fn note(&mut self, sub_ports: &[SubPort]) {
        self.by_vlan = Some(sub_ports.iter().map(|s| (s.segmentation_id, s.port_id.clone())).collect());
    }

    /// Asks for its state; `false`: there is no such trunk.
    async fn look(&mut self) -> Outcome<bool> {
        self.by_vlan = None;
        match self.neutron.get_trunk(&self.id).await {
            Ok(Trunk { sub_ports, .. }) => self.note(&sub_ports),
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(self.failed("get trunk", error)),
        }
        Ok(true)
    }

    fn failed(&self, action: &'static str, source: openstack::Error) -> Trouble {
        Trouble::Cloud { action, resource: self.id.clone(), source: Box::new(source) }
    }

    fn vlan_of(&self, port: &str) -> Option<u16> {
        self.by_vlan.iter().flatten().find(|(_, has)| *has == port).map(|(vlan, _)| *vlan)
    }

    /// Free VLANs, as many as asked for if there are.
    fn choose(&mut self, count: usize) -> Vec<u16> {
        let taken = |vlan: &u16| {
            self.avoided.contains(vlan) || self.by_vlan.as_ref().is_some_and(|all| all.contains_key(vlan))
        };
        let order = (self.last + 1..=LAST).chain(1..=self.last.min(LAST));
        let chosen: Vec<u16> = order.filter(|vlan| !taken(vlan)).take(count).collect();
        self.last = chosen.last().copied().unwrap_or(self.last);
        chosen
    }

    /// One outcome per port, in their order.
    async fn attach(&mut self, ports: &[String]) -> Vec<Outcome<u16>> {
        let mut outcomes = BTreeMap::new();
        let spoiled = self.attach_together(ports, &mut outcomes).await;
        for port in &spoiled {
            // One of them spoiled it for all.
            self.attach_together(std::slice::from_ref(port), &mut outcomes).await;
        }
        ports
            .iter()
            .map(|port| outcomes.remove(port).unwrap_or_else(|| Err(self.failed_to_settle())))
            .collect()
    }

    /// Adds ports in one request, or a few if others change the trunk meanwhile. Answers those of a request that was
    /// refused for one of them.
    async fn attach_together(
        &mut self,
        ports: &[String],
        outcomes: &mut BTreeMap<String, Outcome<u16>>,
    ) -> Vec<String> {
        let (mut missing, mut fresh) = (false, false);
        let mut last: Option<openstack::Error> = None;
        for attempt in 0..TRIES {
            if self.by_vlan.is_none() {
                fresh = true;
                let trouble = match self.look().await {
                    Ok(true) => None,
                    Ok(false) => Some(Trouble::NoTrunk { id: self.id.clone() }),
                    Err(trouble) => Some(trouble),
                };
                if let Some(trouble) = trouble {
                    for port in ports {
                        outcomes.entry(port.clone()).or_insert_with(|| Err(trouble.clone()));
                    }
                    return Vec::new();
                }
            }
            for port in ports {
                if let Some(vlan) = self.vlan_of(port) {
                    outcomes.insert(port.clone(), Ok(vlan));
                }
            }
            let mut open: Vec<String> =
                ports.iter().filter(|p| !outcomes.contains_key(*p)).cloned().collect();
            let vlans = self.choose(open.len());
            if vlans.len() < open.len() && !fresh {
                // Others may have given some back.
                self.by_vlan = None;
                continue;
            }
            for port in open.split_off(vlans.len()) {
                outcomes.insert(port, Err(self.full()));
            }
            if open.is_empty() {
                return Vec::new();
            }
            let wanted: Vec<SubPort> =
                open.iter().zip(vlans).map(|(port, vlan)| sub_port(port, vlan)).collect();
            let refused = match self.neutron.add_subports(&self.id, &wanted).await {
                Ok(trunk) => {
                    // The next round reads from it what became of them.
                    self.note(&trunk.sub_ports);
                    continue;
                }
                Err(error) => error,
            };
            // What is there now is known only by looking.
            self.by_vlan = None;
            // Not found may be the trunk or a port: a look tells, once.
            let look = refused.is_not_found() && !missing;
            missing |= look;
            if look || refused.effect_unknown() || refused.is_kind(DUPLICATE) {
                last = Some(refused);
                tokio::time::sleep(PAUSE * attempt).await;
                continue;
            }
            let of_one = refused.is_conflict() || refused.is_not_found() || refused.status() == Some(400);
            if of_one && open.len() > 1 {
                return open;
            }
            for port in open {
                let trouble = if of_one {
                    Trouble::Cloud {
                        action: "make a subport of port",
                        resource: port.clone(),
                        source: Box::new(refused.clone()),
                    }
                } else {
                    self.failed("add subports to trunk", refused.clone())
                };
                outcomes.insert(port, Err(trouble));
            }
            return Vec::new();
        }
        if let Some(last) = last {
            let trouble = self.failed("add subports to trunk", last);
            for port in ports {
                outcomes.entry(port.clone()).or_insert_with(|| Err(trouble.clone()));
            }
        }
        Vec::new()
    }

    /// One outcome per port, in their order.
    async fn detach(&mut self, ports: &[String]) -> Vec<Outcome<()>> {
        let mut left: Vec<String> = ports.to_vec();
        let mut trouble = self.failed_to_settle();
        for _ in 0..TRIES {
            if left.is_empty() {
                break;
            }
            let refused = match self.neutron.remove_subports(&self.id, &left).await {
                Ok(trunk) => {
                    self.note(&trunk.sub_ports);
                    left.clear();
                    break;
                }
                Err(error) => error,
            };
            trouble = self.failed("remove subports from trunk", refused.clone());
            let doubtful = refused.effect_unknown() || refused.is_not_found() || refused.is_conflict();
            if !doubtful {
                self.by_vlan = None;
                break;
            }
            let before = left.len();
            match self.look().await {
                Ok(true) => left.retain(|port| self.vlan_of(port).is_some()),
                // With the trunk its ports are free.
                Ok(false) => left.clear(),
                Err(_) => break,
            }
            if left.len() == before && !refused.effect_unknown() {
                break;
            }
        }
        ports.iter().map(|port| if left.contains(port) { Err(trouble.clone()) } else { Ok(()) }).collect()
    }

    fn full(&self) -> Trouble {
        self.trouble(
            "all its 4094 VLANs are in use, there or on this machine: it can carry no more containers; stop some, or start \
             this one on another machine",
        )
    }

    fn failed_to_settle(&self) -> Trouble {
        self.trouble("others change it all the time; try again")
    }

    fn trouble(&self, reason: &str) -> Trouble {
        Trouble::Refused { what: "trunk", resource: self.id.clone(), reason: reason.to_owned() }
    }
}

fn sub_port(port: &str, vlan: u16) -> SubPort {
    SubPort { port_id: port.to_owned(), segmentation_type: VLAN.to_owned(), segmentation_id: vlan }
}

#[async_trait]
impl Work for OneTrunk {
    type Job = Job;
    type Done = Option<u16>;

    /// Removals first: they give VLANs back.
    async fn perform(&mut self, jobs: Vec<Job>) -> Vec<Outcome<Option<u16>>> {
        let (mut leaving, mut coming) = (Vec::new(), Vec::new());
        for job in &jobs {
            match job {
                Job::Attach { port } => coming.push(port.clone()),
                Job::Detach { port } => leaving.push(port.clone()),
            }
        }
        let mut left = self.detach(&leaving).await.into_iter();
        let mut come = if coming.is_empty() { Vec::new() } else { self.attach(&coming).await }.into_iter();
        let outcomes = jobs.iter().map(|job| match job {
            Job::Attach { .. } => come.next().unwrap_or(Err(Trouble::Broken)).map(Some),
            Job::Detach { .. } => left.next().unwrap_or(Err(Trouble::Broken)).map(|()| None),
        });
        outcomes.collect()
    }
}
