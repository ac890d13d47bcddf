//! Test support for containers inside instances: an [`Instance`] is a guest with a kernel of its own whose cards are
//! Neutron ports, plugged the way Nova plugs them, with an engine and `kuryr serve` inside. Real services stand around
//! it, so every probe between two of them has crossed Neutron's switch. Never part of the product.

mod engine;
mod held;
mod initiator;
mod instance;
mod neutron;
mod pair;
mod plugin;
mod probe;
pub mod storage;
mod volumes;

pub use engine::{Container, ENGINE, make_image};
pub use held::{expect_inventory, expect_lines};
pub use initiator::held_storage;
pub use instance::{Card, Instance, InstanceOptions, Wiring};
pub use neutron::{Network, Neutron, Port, text};
pub use pair::{Pair, PairOptions, RANGE, both};
pub use plugin::{Binding, CONFIGURATION};
pub use probe::{Spot, ping, ping_stops, tcp_closes, tcp_opens, udp_closes, udp_opens};
pub use volumes::TENANT;
