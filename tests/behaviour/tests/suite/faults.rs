//! Placeholder until the next lines are written.

use crate::Case;

pub(crate) const CASES: &[Case] = &[];
