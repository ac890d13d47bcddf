//! What was found that no record names.

use serde::Serialize;

/// Kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanKind {
    /// A link of this host.
    Link,
    /// A port of Open vSwitch on this host.
    SwitchPort,
    /// A Neutron port bound to this host.
    Port,
    /// A port that holds an address of a swarm network.
    Reservation,
    /// A security group.
    SecurityGroup,
    /// A subnet on a network that existed before.
    Subnet,
    /// A network.
    Network,
    /// A subnet pool.
    SubnetPool,
    /// An endpoint of the journal that has lost its link or its port.
    Endpoint,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrphanAction {
    /// It is provably ours and nobody's; nothing was done because only a look was asked for.
    WouldRemove,
    /// It is gone.
    Removed,
    /// It stays: not provably ours, or in use.
    Left,
    /// It is provably ours and could not be removed; see the reason.
    Failed,
}

/// Something no record of this host names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// Kind of thing.
    pub kind: OrphanKind,
    /// UUID, or the name of a link.
    pub id: String,
    /// Name in Neutron; empty where there is none.
    pub name: String,
    /// Since when it exists, where the cloud says so, in seconds.
    pub age_seconds: Option<u64>,
    /// Host it is on or bound to; empty for what is on none.
    pub host: String,
    /// Why it is provably ours, or why it is not.
    pub why: String,
    /// What became of it.
    pub action: OrphanAction,
    /// Why it could not be removed.
    pub failure: Option<String>,
}

/// The outcome of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OrphanReport {
    /// Only a look was asked for.
    pub dry_run: bool,
    /// What could not be looked at, and why; the rest was.
    pub unseen: Vec<String>,
    /// In the order in which they are removed.
    pub orphans: Vec<Orphan>,
}

impl OrphanReport {
    /// How many could not be removed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.orphans.iter().filter(|o| o.action == OrphanAction::Failed).count()
    }
}
