//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

use super::{
    Cinder, actions, attachments, metadata, microversion, quotas, snapshots, versions, volume_types, volumes,
};

/// The service's paths: `/v3/{project_id}/...`, `/v3/...` from 3.67, and the version documents at `/` and `/v3/`.
/// Handlers expect a [`crate::caller::Caller`] extension and answer 401 without one.
pub fn router(cinder: Arc<Cinder>) -> Router {
    Router::new()
        .route("/v3", get(versions::version))
        .route("/v3/", get(versions::version))
        .nest("/v3/{project_id}", resources())
        .nest("/v3", resources())
        .fallback(versions::nothing)
        .method_not_allowed_fallback(versions::no_such_method)
        .layer(axum::middleware::from_fn(microversion::negotiate))
        .route("/", get(versions::choices))
        .with_state(cinder)
}

fn resources() -> Router<Arc<Cinder>> {
    Router::new()
        .route("/volumes", get(volumes::list).post(volumes::create))
        .route("/volumes/detail", get(volumes::detail))
        .route("/volumes/{id}", get(volumes::show).put(volumes::update).delete(volumes::delete))
        .route("/volumes/{id}/action", post(actions::act))
        .route("/volumes/{id}/encryption", get(volume_types::volume_encryption))
        .route("/volumes/{id}/metadata", get(metadata::show).post(metadata::merge).put(metadata::replace))
        .route(
            "/volumes/{id}/metadata/{key}",
            get(metadata::show_key).put(metadata::put_key).delete(metadata::delete_key),
        )
        .route("/attachments", get(attachments::list).post(attachments::create))
        .route("/attachments/detail", get(attachments::detail))
        .route(
            "/attachments/{id}",
            get(attachments::show).put(attachments::update).delete(attachments::delete),
        )
        .route("/attachments/{id}/action", post(attachments::act))
        .route("/snapshots", get(snapshots::list).post(snapshots::create))
        .route("/snapshots/detail", get(snapshots::list))
        .route("/snapshots/{id}", get(snapshots::show).put(snapshots::update).delete(snapshots::delete))
        .route("/types", get(volume_types::list))
        .route("/types/{id}", get(volume_types::show))
        .route("/types/{id}/extra_specs", get(volume_types::extra_specs))
        .route("/types/{id}/extra_specs/{key}", get(volume_types::extra_spec))
        .route("/types/{id}/encryption", get(volume_types::encryption))
        .route("/os-availability-zone", get(volume_types::zones))
        .route("/limits", get(quotas::limits))
        .route("/os-quota-sets/{target}", put(quotas::update).get(quotas::show).delete(quotas::reset))
        .route("/os-quota-sets/{target}/defaults", get(quotas::defaults))
}
