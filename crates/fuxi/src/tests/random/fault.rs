//! The one thing that goes wrong.

use super::dice::Dice;
use crate::testing::{Fault, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// At that call of the cloud or the host, or change of the journal, counted from the beginning of one operation on.
    At(usize, Fault),
    /// The same, and the host is booted anew.
    Reboot(usize, Fault),
    /// Something that lasts as long as the operation of that number.
    During(usize, Trouble),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    CloudDown,
    Quota,
    CreationEndsInError,
    RuleEndsInError,
    StorageAway,
    Unreadable,
    SlowExport,
    DiskVanishes,
    DiskIsKept,
    DisksAreSlow,
    ServersDead,
}

impl Mishap {
    pub(super) fn random(dice: &mut Dice, operations: usize) -> Self {
        use Trouble as T;
        let calls = [
            Fault::Fails,
            Fault::Unanswered,
            Fault::AnswerLost,
            Fault::Refused,
            Fault::DiesBefore,
            Fault::DiesAfter,
        ];
        match dice.below(10) {
            0..7 => Self::At(dice.below(12), dice.one_of(&calls)),
            7 => Self::Reboot(dice.below(12), dice.one_of(&[Fault::DiesBefore, Fault::DiesAfter])),
            _ => {
                let all = [
                    T::CloudDown,
                    T::Quota,
                    T::CreationEndsInError,
                    T::RuleEndsInError,
                    T::StorageAway,
                    T::Unreadable,
                    T::SlowExport,
                    T::DiskVanishes,
                    T::DiskIsKept,
                    T::DisksAreSlow,
                    T::ServersDead,
                ];
                Self::During(dice.below(operations), dice.one_of(&all))
            }
        }
    }
}

impl Trouble {
    pub(super) fn begin(self, world: &World) {
        let mut state = world.state();
        match self {
            Self::CloudDown => (state.cloud_down, state.manila.down) = (true, true),
            Self::Quota => (state.quota, state.manila.quota) = (true, true),
            Self::CreationEndsInError => {
                (state.next_create_errors, state.manila.next_create_errors) = (true, true);
            }
            Self::RuleEndsInError => state.manila.next_rule_errors = true,
            Self::StorageAway => state.storage_away = true,
            Self::Unreadable => state.unreadable = true,
            Self::SlowExport => state.slow_export = Some(3),
            Self::DiskVanishes => state.next_disk_vanishes = true,
            Self::DiskIsKept => state.next_disk_is_kept = true,
            Self::DisksAreSlow => state.disks_wait = 20,
            Self::ServersDead => {
                let exports = state.manila.shares.keys().map(|id| format!("10.0.0.5:/{id}")).collect();
                state.manila.dead = exports;
            }
        }
    }

    pub(super) fn end(world: &World) {
        let mut state = world.state();
        (state.cloud_down, state.manila.down) = (false, false);
        (state.quota, state.manila.quota) = (false, false);
        (state.next_create_errors, state.manila.next_create_errors) = (false, false);
        state.manila.next_rule_errors = false;
        state.storage_away = false;
        state.unreadable = false;
        state.slow_export = None;
        (state.next_disk_vanishes, state.next_disk_is_kept, state.disks_wait) = (false, false, 0);
        state.manila.dead.clear();
    }
}
