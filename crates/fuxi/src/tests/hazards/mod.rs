//! Known hazards of volume plugins that no other test here is named after; the list is `docs/hazards.md`.

mod data;
mod names;
mod shares;
mod stuck;
