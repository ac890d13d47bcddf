//! Users, projects, roles, endpoints and the default subnet pools: those of the development cloud, so that one test
//! suite fits both.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::client::{Client, text};
use super::{FRONT, KEYSTONE, NEUTRON, PASSWORD};

/// Roles that every user has in every project of its list. `admin` is a container host's leave to bind ports and to
/// choose MAC addresses; `service` that to set a binding profile, which Neutron refuses to administrators.
const ROLES: [&str; 4] = ["admin", "member", "reader", "service"];

/// A user and the projects it works in.
const USERS: [(&str, &[&str]); 7] = [
    ("admin", &["admin", "demo"]),
    ("demo", &["demo"]),
    ("service", &["service"]),
    ("kuryr", &["service", "kuryr"]),
    ("neutron", &["service"]),
    // Of services that are not always there.
    ("cinder", &["service"]),
    ("manila", &["service"]),
];

/// Makes users, projects and roles, and Neutron's entry in the catalogue. May be repeated.
pub(crate) fn people(admin: &Client) -> Result<()> {
    let mut roles = Vec::new();
    for role in ROLES {
        roles.push(ensure(admin, "role", role, json!({}))?);
    }
    for (name, projects) in USERS {
        let user = ensure(admin, "user", name, json!({"password": PASSWORD, "domain_id": "default"}))?;
        for project in projects {
            let project = ensure(admin, "project", project, json!({"domain_id": "default"}))?;
            for role in &roles {
                let path = format!("/projects/{project}/users/{user}/roles/{role}");
                admin.keystone("PUT", &path, None)?;
            }
        }
    }
    network_service(admin)
}

/// Clients are sent to the front; the services find each other under the interface `admin`.
fn network_service(admin: &Client) -> Result<()> {
    let service = ensure(admin, "service", "neutron", json!({"type": "network"}))?;
    let known = admin.keystone("GET", &format!("/endpoints?service_id={service}"), None)?;
    let known = known.pointer("/endpoints").and_then(Value::as_array).cloned().unwrap_or_default();
    let front = format!("{FRONT}/networking");
    for (interface, url) in [("public", front.as_str()), ("internal", &front), ("admin", NEUTRON)] {
        if known.iter().any(|e| text(e, "/interface") == interface) {
            continue;
        }
        let endpoint =
            json!({"service_id": service, "interface": interface, "region_id": "RegionOne", "url": url});
        admin.keystone("POST", "/endpoints", Some(&json!({"endpoint": endpoint})))?;
    }
    Ok(())
}

/// Arguments of `keystone-manage` that make the first administrator and Keystone's entry in the catalogue.
pub(crate) fn bootstrap() -> Vec<String> {
    let front = format!("{FRONT}/identity/v3");
    let own = format!("{KEYSTONE}/v3");
    [
        ("password", PASSWORD),
        ("region-id", "RegionOne"),
        ("public-url", &front),
        ("internal-url", &front),
        ("admin-url", &own),
    ]
    .into_iter()
    .flat_map(|(name, value)| [format!("--bootstrap-{name}"), value.to_owned()])
    .collect()
}

/// The two default pools. May be repeated.
pub(crate) fn pools(admin: &Client) -> Result<()> {
    for (name, prefix, default, min) in [("kuryr", "10.10.0.0/16", 24, 8), ("kuryr6", "fd10:10::/48", 64, 64)]
    {
        let known = admin.neutron("GET", &format!("/subnetpools?name={name}"), None)?;
        if known.pointer("/subnetpools/0").is_some() {
            continue;
        }
        let pool = json!({"name": name, "prefixes": [prefix], "default_prefixlen": default,
                          "min_prefixlen": min, "shared": true, "is_default": true});
        admin.neutron("POST", "/subnetpools", Some(&json!({"subnetpool": pool})))?;
    }
    Ok(())
}

/// The id of what has that name, made with `more` if it is missing.
fn ensure(admin: &Client, kind: &str, name: &str, more: Value) -> Result<String> {
    let found = admin.keystone("GET", &format!("/{kind}s?name={name}"), None)?;
    let id = text(&found, &format!("/{kind}s/0/id"));
    if !id.is_empty() {
        return Ok(id.to_owned());
    }
    let mut body = more;
    if let Some(map) = body.as_object_mut() {
        map.insert("name".into(), name.into());
    }
    let made = admin.keystone("POST", &format!("/{kind}s"), Some(&json!({kind: body})))?;
    match text(&made, &format!("/{kind}/id")) {
        "" => bail!("Keystone answered no id for the {kind} {name}: {made}"),
        id => Ok(id.to_owned()),
    }
}
