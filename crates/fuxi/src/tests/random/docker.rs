//! What Docker knows and believes of one volume.

use std::collections::{BTreeMap, BTreeSet};

use super::dice::Dice;
use crate::testing::{ADOPTABLE, SHARE, State};
use crate::tests::options;

/// Somebody's volume for many readers, which another host has.
pub(super) const READ: &str = "aaaaaaaa-0000-4000-8000-000000000003";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    New,
    Shaped,
    Copy,
    Multiattach,
    Adopted,
    Reader,
    Share,
    OwnedShare,
    AdoptedShare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existence {
    No,
    Yes,
    /// A creation or a removal failed, or its answer was lost.
    Maybe,
}

#[derive(Debug)]
pub(super) struct Volume {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) exists: Existence,
    /// A creation failed and told so, while nobody had it.
    pub(super) refused: bool,
    /// The cloud's id, once it was mounted.
    pub(super) id: Option<String>,
    /// What its containers wrote and synced.
    pub(super) written: Vec<u64>,
    pub(super) containers: BTreeSet<&'static str>,
}

impl Kind {
    /// Three that do not want the same thing of the user's.
    pub(super) fn of_three(dice: &mut Dice, in_server: bool) -> [Self; 3] {
        let mut all = vec![Self::New, Self::New, Self::Shaped, Self::Copy, Self::Adopted, Self::Share];
        all.extend([Self::OwnedShare, Self::AdoptedShare]);
        if !in_server {
            all.extend([Self::Multiattach, Self::Reader]);
        }
        std::array::from_fn(|_| all.swap_remove(dice.below(all.len())))
    }

    pub(super) fn is_share(self) -> bool {
        matches!(self, Self::Share | Self::OwnedShare | Self::AdoptedShare)
    }

    pub(super) fn options(self) -> BTreeMap<String, String> {
        match self {
            Self::New => options(&[("size", "2")]),
            Self::Shaped => {
                options(&[("uid", "7"), ("mode", "0700"), ("subdir", "data"), ("mkfsopts", "-m 0")])
            }
            Self::Copy => options(&[("snapshot_of", ADOPTABLE)]),
            Self::Multiattach => options(&[("multiattach", "true")]),
            Self::Adopted => options(&[("volume_id", ADOPTABLE)]),
            Self::Reader => options(&[("volume_id", READ), ("ro", "true")]),
            Self::Share => options(&[("volume_provider", "manila"), ("size", "2")]),
            Self::OwnedShare => options(&[("volume_provider", "manila"), ("uid", "7"), ("mode", "0770")]),
            Self::AdoptedShare => options(&[("volume_provider", "manila"), ("volume_id", SHARE)]),
        }
    }

    /// What is on it before anybody wrote.
    pub(super) fn at_first(self) -> Vec<u64> {
        match self {
            Self::Copy | Self::Adopted => vec![1, 2, 3],
            Self::Reader => vec![4, 5, 6],
            Self::AdoptedShare => vec![7, 8, 9],
            _ => Vec::new(),
        }
    }
}

impl Volume {
    pub(super) fn new(name: &'static str, kind: Kind) -> Self {
        let written = kind.at_first();
        Self {
            name,
            kind,
            exists: Existence::No,
            refused: false,
            id: None,
            written,
            containers: BTreeSet::new(),
        }
    }

    /// It is gone; what comes next is another one.
    pub(super) fn forget(&mut self) {
        let written = if self.kind.options().contains_key("volume_id") {
            std::mem::take(&mut self.written)
        } else {
            self.kind.at_first()
        };
        (self.exists, self.id, self.written) = (Existence::No, None, written);
    }

    /// What is mounted under its name.
    pub(super) fn mounted(&self, state: &State) -> Option<String> {
        match self.kind.is_share() {
            false => state.mounts.get(self.name).cloned(),
            true => {
                let source = state.manila.mounts.get(self.name)?.export.source().to_owned();
                source.rsplit('/').next().map(str::to_owned)
            }
        }
    }

    /// The kernel shows its containers, or no longer.
    pub(super) fn show(&self, state: &mut State) {
        let Some(id) = &self.id else { return };
        let source = format!("10.0.0.5:/{id}");
        match (self.kind.is_share(), self.containers.is_empty()) {
            (false, false) => drop(state.users.insert(id.clone())),
            (false, true) => drop(state.users.remove(id)),
            (true, false) => drop(state.manila.users.insert(source)),
            (true, true) => drop(state.manila.users.remove(&source)),
        }
    }

    /// What is on its medium is what was written there.
    pub(super) fn check_data(&self, state: &State) {
        let Some(id) = &self.id else { return };
        let found = state.data.get(id).cloned().unwrap_or_default();
        assert_eq!(found, self.written, "{} ({id}) lost or changed its data", self.name);
    }
}
