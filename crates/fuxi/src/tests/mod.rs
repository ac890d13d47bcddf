//! The service against doubles.

mod budgets;
mod faults;
mod hazards;
mod histories;
mod life;
mod manage;
mod random;
mod refusals;
mod safety;
mod servers;
mod shares;
mod sharing;

use std::collections::BTreeMap;

pub(crate) fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}
