//! Settings that can change while the cloud runs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{Shared, parse};
use crate::cinder::CinderFaults;

/// Body of `POST /admin/options`; absent: unchanged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    latency_ms: Option<u64>,
    vif_type: Option<String>,
    vif_type_by_host: Option<BTreeMap<String, String>>,
    vif_type_by_network: Option<BTreeMap<String, String>>,
    demo_is_admin: Option<bool>,
    volume_faults: Option<CinderFaults>,
}

/// `GET /admin/options`.
pub(crate) async fn show(State(control): Shared) -> Response {
    let vif = control.neutron.read(|m| m.vif.clone());
    Json(json!({
        "latency_ms": control.latency_ms.load(Ordering::Relaxed),
        "vif_type": vif.default,
        "vif_type_by_host": vif.hosts,
        "vif_type_by_network": vif.networks,
        "volume_faults": control.cinder.faults(),
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
    if let Some(latency) = settings.latency_ms {
        control.latency_ms.store(latency, Ordering::Relaxed);
    }
    if let Some(on) = settings.demo_is_admin {
        control.keystone.set_demo_is_admin(on);
    }
    if let Some(faults) = settings.volume_faults {
        control.cinder.set_faults(faults);
    }
    let written = control.neutron.write(|model| {
        if let Some(default) = settings.vif_type {
            model.vif.default = default;
        }
        if let Some(hosts) = settings.vif_type_by_host {
            model.vif.hosts = hosts;
        }
        if let Some(networks) = settings.vif_type_by_network {
            model.vif.networks = networks;
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
    match parse::<Which>(&body) {
        Ok(which) => {
            let revoked = control.keystone.revoke(which.token.as_deref(), which.user.as_deref());
            Json(json!({"revoked": revoked})).into_response()
        }
        Err(answer) => *answer,
    }
}
