//! What Docker still uses and our journal does not know: made by the Python driver before us, or by ourselves before
//! the journal was lost.
//!
//! Asked for an unknown network, pool or endpoint, we look for Docker's id in Neutron's tags and names, only read, and
//! write down what we recognise; from there on the usual code serves and removes it. What a tag or name proves to be
//! made for Docker may be removed when Docker asks for exactly that. What was adopted is given back with its tags
//! cleaned. What is ambiguous is refused or left, never destroyed. Ids we know cost no call.

mod endpoints;
mod evidence;
mod networks;
mod pools;

pub(crate) use networks::{subnet_row, taken_row};
