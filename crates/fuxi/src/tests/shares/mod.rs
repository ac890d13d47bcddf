//! Manila's half, and both together.

mod budgets;
mod dispatch;
mod faults;
mod histories;
mod manage;
mod refusals;
mod sharing;

use std::sync::Arc;

use crate::testing::{SHARE, World};

/// The id of the only share that was made.
pub(super) fn made(world: &Arc<World>) -> String {
    world.state().manila.shares.keys().find(|id| *id != SHARE).unwrap().clone()
}
