//! `/v2.0/extensions`: only what is modelled.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::fault::Fault;

/// Alias and name.
const EXTENSIONS: [(&str, &str); 30] = [
    ("allowed-address-pairs", "Allowed Address Pairs"),
    ("binding", "Port Binding"),
    ("default-subnetpools", "Default Subnetpools"),
    ("dns-integration", "DNS Integration"),
    ("external-net", "Neutron external network"),
    ("net-mtu", "Network MTU"),
    ("net-mtu-writable", "Network MTU (writable)"),
    ("pagination", "Pagination support"),
    ("port-security", "Port Security"),
    ("project-id", "project_id field enabled"),
    ("provider", "Provider Network"),
    ("qos", "Quality of Service"),
    ("qos-default", "QoS default policy"),
    ("quotas", "Quota management support"),
    ("quota_details", "Quota details management support"),
    ("qos-bw-limit-direction", "Direction for QoS bandwidth limit rule"),
    ("revision-if-match", "If-Match constraints based on revision_number"),
    ("security-group", "security-group"),
    ("sorting", "Sorting support"),
    ("standard-attr-description", "standard-attr-description"),
    ("standard-attr-revisions", "Resource revision numbers"),
    (
        "standard-attr-tag",
        "Tag support for resources with standard attribute: network, policy, port, security_group, subnet, subnetpool, trunk",
    ),
    ("standard-attr-timestamp", "Resource timestamps"),
    ("stateful-security-group", "Stateful security group"),
    ("subnet_allocation", "Subnet Allocation"),
    ("tag-creation", "Tag creation support"),
    ("tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation"),
    ("ip-substring-filtering", "IP address substring filtering"),
    ("trunk", "Trunk Extension"),
    ("trunk-details", "Trunk port details"),
];

fn entry((alias, name): (&str, &str)) -> Value {
    json!({"alias": alias, "name": name, "description": name, "updated": "2024-01-01T00:00:00-00:00", "links": []})
}

/// `GET extensions`.
pub(crate) async fn list() -> Response {
    let all: Vec<_> = EXTENSIONS.into_iter().map(entry).collect();
    Json(json!({"extensions": all})).into_response()
}

/// `GET extensions/{alias}`.
pub(crate) async fn show(Path(alias): Path<String>) -> Result<Response, Fault> {
    let found = EXTENSIONS.into_iter().find(|(known, _)| *known == alias);
    let found = found.ok_or_else(|| {
        Fault::not_found("HTTPNotFound", format!("Extension with alias {alias} does not exist"))
    })?;
    Ok(Json(json!({"extension": entry(found)})).into_response())
}
