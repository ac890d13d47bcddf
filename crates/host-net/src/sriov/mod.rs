//! Virtual functions of network cards: which one a PCI address is, and its settings, which the physical function's
//! link holds.

mod configure;
mod find;

pub use configure::VfConfig;
pub use find::VirtualFunction;
