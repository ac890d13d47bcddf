//! The metadata service. The real one knows a server by the address a request comes from; here its id is in the path,
//! `/metadata/{server}/openstack/latest/meta_data.json`, which is what a client's base address then ends in.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::Nova;

impl Nova {
    /// Answers a path below `/metadata`.
    pub(crate) fn metadata(&self, path: &str) -> Response {
        let id = path
            .strip_prefix("/metadata/")
            .and_then(|rest| rest.strip_suffix("/openstack/latest/meta_data.json"));
        let document = self.read(|state| {
            let server = state.servers.get(id?)?;
            Some(json!({
                "uuid": server.id,
                "name": server.name,
                "hostname": format!("{}.novalocal", server.name),
                "project_id": server.project_id,
                "availability_zone": "nova",
                "launch_index": 0,
                "devices": [],
            }))
        });
        match document {
            Some(document) => Json(document).into_response(),
            None => (StatusCode::NOT_FOUND, "404 Not Found").into_response(),
        }
    }
}
