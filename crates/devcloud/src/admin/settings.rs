//! Settings that can change while the cloud runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{Control, Shared, parse};
use crate::cinder::CinderFaults;
use crate::manila::ManilaFaults;
use crate::nova::ServerOptions;

/// Body of `POST /admin/options`; absent: unchanged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    latency_ms: Option<u64>,
    vif_type: Option<String>,
    vif_type_by_host: Option<BTreeMap<String, String>>,
    vif_type_by_network: Option<BTreeMap<String, String>>,
    sriov_hosts: Option<BTreeSet<String>>,
    ovs_bridge: Option<String>,
    ovs_hybrid_plug: Option<bool>,
    dhcp_delay_ms: Option<u64>,
    max_allowed_address_pair: Option<usize>,
    agents_away: Option<bool>,
    demo_is_admin: Option<bool>,
    volume_faults: Option<CinderFaults>,
    servers: Option<ServerOptions>,
    share_faults: Option<ManilaFaults>,
}

impl Settings {
    /// Nothing in it needs a service of this process.
    fn only_latency(&self) -> bool {
        self.vif_type.is_none()
            && self.vif_type_by_host.is_none()
            && self.vif_type_by_network.is_none()
            && self.sriov_hosts.is_none()
            && self.ovs_bridge.is_none()
            && self.ovs_hybrid_plug.is_none()
            && self.dhcp_delay_ms.is_none()
            && self.max_allowed_address_pair.is_none()
            && self.agents_away.is_none()
            && self.demo_is_admin.is_none()
            && self.volume_faults.is_none()
            && self.servers.is_none()
            && self.share_faults.is_none()
    }
}

impl Control {
    fn set_latency(&self, milliseconds: Option<u64>) {
        if let Some(milliseconds) = milliseconds {
            self.latency_ms.store(milliseconds, Ordering::Relaxed);
        }
    }
}

/// `GET /admin/options`.
pub(crate) async fn show(State(control): Shared) -> Response {
    let latency = control.latency_ms.load(Ordering::Relaxed);
    let Ok(services) = control.services() else {
        return Json(json!({"latency_ms": latency})).into_response();
    };
    let (vif, dhcp_delay, most_pairs, agents_away) =
        services.neutron.read(|m| (m.vif.clone(), m.dhcp_delay, m.most_pairs, m.agents_away));
    Json(json!({
        "latency_ms": latency,
        "vif_type": vif.default,
        "vif_type_by_host": vif.hosts,
        "vif_type_by_network": vif.networks,
        "sriov_hosts": vif.sriov_hosts,
        "ovs_bridge": vif.ovs_bridge,
        "ovs_hybrid_plug": vif.ovs_hybrid_plug,
        "dhcp_delay_ms": dhcp_delay.as_millis(),
        "max_allowed_address_pair": most_pairs,
        "agents_away": agents_away,
        "volume_faults": services.cinder.faults(),
        "servers": services.nova.options(),
        "share_faults": services.manila.faults(),
    }))
    .into_response()
}

/// `POST /admin/options`. New `vif_type`s hold for bindings made from now on.
pub(crate) async fn change(state: Shared, body: Bytes) -> Response {
    let settings: Settings = match parse(&body) {
        Ok(settings) => settings,
        Err(answer) => return *answer,
    };
    let control = &state.0;
    if settings.only_latency() {
        control.set_latency(settings.latency_ms);
        return show(state).await;
    }
    let services = match control.services() {
        Ok(services) => services,
        Err(answer) => return *answer,
    };
    control.set_latency(settings.latency_ms);
    if let Some(on) = settings.demo_is_admin {
        services.keystone.set_demo_is_admin(on);
    }
    if let Some(faults) = settings.volume_faults {
        services.cinder.set_faults(faults);
    }
    if let Some(servers) = settings.servers {
        services.nova.set_options(servers);
    }
    if let Some(faults) = settings.share_faults {
        services.manila.set_faults(faults);
    }
    let written = services.neutron.write(|model| {
        if let Some(default) = settings.vif_type {
            model.vif.default = default;
        }
        if let Some(hosts) = settings.vif_type_by_host {
            model.vif.hosts = hosts;
        }
        if let Some(networks) = settings.vif_type_by_network {
            model.vif.networks = networks;
        }
        if let Some(hosts) = settings.sriov_hosts {
            model.vif.sriov_hosts = hosts;
        }
        if let Some(bridge) = settings.ovs_bridge {
            model.vif.ovs_bridge = bridge;
        }
        if let Some(on) = settings.ovs_hybrid_plug {
            model.vif.ovs_hybrid_plug = on;
        }
        if let Some(milliseconds) = settings.dhcp_delay_ms {
            model.dhcp_delay = Duration::from_millis(milliseconds);
        }
        if let Some(most) = settings.max_allowed_address_pair {
            model.most_pairs = most;
        }
        if let Some(away) = settings.agents_away {
            model.set_agents_away(away);
        }
        Ok(())
    });
    match written {
        Ok(()) => show(state).await,
        Err(fault) => fault.into_response(),
    }
}

/// Body of `POST /admin/tokens/revoke`; empty: all tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Which {
    token: Option<String>,
    user: Option<String>,
}

/// `POST /admin/tokens/revoke`.
pub(crate) async fn revoke(State(control): Shared, body: Bytes) -> Response {
    match parse::<Which>(&body).and_then(|which| Ok((which, control.services()?))) {
        Ok((which, services)) => {
            let revoked = services.keystone.revoke(which.token.as_deref(), which.user.as_deref());
            Json(json!({"revoked": revoked})).into_response()
        }
        Err(answer) => *answer,
    }
}
