//! The service catalog.

use serde_json::{Value, json};

use super::directory::stable_id;

/// The only region.
pub(crate) const REGION: &str = "RegionOne";

/// All services as a project sees them: each with a public, an internal and an admin endpoint.
pub(crate) fn catalog(base: &str, project_id: &str) -> Value {
    let volume = format!("{base}/volume/v3/{project_id}");
    let share = format!("{base}/share/v2");
    let services = [
        ("identity", "keystone", format!("{base}/identity")),
        ("network", "neutron", format!("{base}/networking")),
        ("compute", "nova", format!("{base}/compute/v2.1")),
        ("block-storage", "cinder", volume.clone()),
        ("volumev3", "cinderv3", volume),
        ("shared-file-system", "manila", share.clone()),
        ("sharev2", "manilav2", share),
    ];
    services
        .into_iter()
        .map(|(kind, name, url)| {
            let endpoints: Vec<Value> = ["public", "internal", "admin"]
                .into_iter()
                .map(|interface| {
                    json!({"id": stable_id(kind, interface), "interface": interface, "region": REGION,
                           "region_id": REGION, "url": url})
                })
                .collect();
            json!({"id": stable_id("service", kind), "type": kind, "name": name, "endpoints": endpoints})
        })
        .collect()
}
