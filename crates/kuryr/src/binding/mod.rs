//! How a port becomes a link of this host. One module per driver, each with `validate`, `setup`, `teardown`.

use openstack::network::Port;

use crate::state::Plug;
use crate::{Error, HostLinks, Result};

mod veth;

/// Refuses a port Neutron did not bind in a way we can plug.
pub(crate) fn check(port: &Port, host: &str) -> Result<()> {
    let vif_type = port.vif_type.as_deref().unwrap_or("unbound");
    let advice = match vif_type {
        "bridge" | "tap" => return Ok(()),
        "binding_failed" => {
            "check that an agent on this host is up and that [DEFAULT] host is the name it reports"
        }
        "unbound" | "" => {
            "check that [DEFAULT] host is set and that the credentials may bind ports (admin or service)"
        }
        _ => "this build plugs `bridge` and `tap` only; use a mechanism driver that binds so",
    };
    Err(Error::Binding {
        port: port.id.clone(),
        vif_type: vif_type.to_owned(),
        host: host.to_owned(),
        advice,
    })
}

/// Works out how the port is to be plugged; changes nothing.
pub(crate) fn validate(port: &Port, host: &str, mtu: u32) -> Result<Plug> {
    check(port, host)?;
    veth::validate(port, mtu)
}

/// Plugs it; repeating is harmless.
pub(crate) async fn setup(links: &dyn HostLinks, plug: &Plug) -> Result<()> {
    veth::setup(links, plug).await
}

/// Unplugs it; what is absent is unplugged.
pub(crate) async fn teardown(links: &dyn HostLinks, plug: &Plug) -> Result<()> {
    let failures = veth::teardown(links, plug).await;
    if failures.is_empty() {
        return Ok(());
    }
    let reason = failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Err(Error::Conflict { what: "links of port", resource: plug.port_id.clone(), reason })
}
