//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use super::{
    Manila, access, access_metadata, actions, exports, messages, metadata, microversion, quotas,
    share_networks, share_types, shares, snapshots, versions,
};

/// The service's paths: `/v2/{project_id}/...`, `/v2/...` from 2.60, and the version documents at `/` and `/v2/`.
/// Handlers expect a [`crate::caller::Caller`] extension and answer 401 without one.
pub fn router(manila: Arc<Manila>) -> Router {
    Router::new()
        .route("/v2", get(versions::version))
        .route("/v2/", get(versions::version))
        .nest("/v2/{project_id}", resources())
        .nest("/v2", resources())
        .fallback(versions::nothing)
        .method_not_allowed_fallback(versions::no_such_method)
        .layer(from_fn_with_state(Arc::clone(&manila), microversion::negotiate))
        .route("/", get(versions::choices))
        .with_state(manila)
}

fn resources() -> Router<Arc<Manila>> {
    Router::new()
        .route("/shares", get(shares::list).post(shares::create))
        .route("/shares/detail", get(shares::detail))
        .route("/shares/{id}", get(shares::show).put(shares::update).delete(shares::delete))
        .route("/shares/{id}/action", post(actions::act))
        .route("/shares/{id}/metadata", get(metadata::show).post(metadata::merge).put(metadata::replace))
        .route("/shares/{id}/metadata/{key}", get(metadata::show_key).delete(metadata::delete_key))
        .route("/shares/{id}/export_locations", get(exports::list))
        .route("/shares/{id}/export_locations/{location}", get(exports::show))
        .route("/share-access-rules", get(access::list))
        .route("/share-access-rules/{id}", get(access::show))
        .route("/share-access-rules/{id}/metadata", axum::routing::put(access_metadata::merge))
        .route("/share-access-rules/{id}/metadata/{key}", delete(access_metadata::delete_key))
        .route("/snapshots", get(snapshots::list).post(snapshots::create))
        .route("/snapshots/detail", get(snapshots::detail))
        .route("/snapshots/{id}", get(snapshots::show).put(snapshots::update).delete(snapshots::delete))
        .route("/share-networks", get(share_networks::list).post(share_networks::create))
        .route("/share-networks/detail", get(share_networks::list))
        .route("/share-networks/{id}", get(share_networks::show).delete(share_networks::delete))
        .route("/types", get(share_types::list))
        .route("/types/default", get(share_types::default))
        .route("/types/{id}", get(share_types::show))
        .route("/types/{id}/extra_specs", get(share_types::extra_specs))
        .route("/availability-zones", get(share_types::zones))
        .route("/messages", get(messages::list))
        .route("/messages/{id}", get(messages::show).delete(messages::delete))
        .route("/limits", get(quotas::limits))
        .route("/quota-sets/{target}", get(quotas::show).put(quotas::update).delete(quotas::reset))
        .route("/quota-sets/{target}/defaults", get(quotas::defaults))
        .route("/os-quota-sets/{target}", get(quotas::show).put(quotas::update).delete(quotas::reset))
}
