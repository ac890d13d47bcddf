//! `tap`: Neutron's agent (Calico, a routed fabric) does the rest once the link is there.

use super::{note, veth};
use crate::state::Plug;
use crate::{Error, Host, Result};

pub(super) async fn setup(host: &Host, plug: &Plug) -> Result<()> {
    veth::setup(host, plug).await
}

pub(super) async fn teardown(host: &Host, plug: &Plug) -> Vec<Error> {
    let mut failures = Vec::new();
    note(&mut failures, veth::teardown(host, plug).await);
    failures
}
