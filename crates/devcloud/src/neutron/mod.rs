//! The Networking API v2.0.

mod address_pairs;
mod attributes;
mod collection;
mod dhcp_agent;
mod extensions;
pub(crate) mod fault;
mod names_in_dns;
mod networks;
mod port_addresses;
mod ports;
mod qos_policies;
mod query;
mod quotas;
mod resource;
mod security_group_rules;
mod security_groups;
mod subnet_pools;
mod subnet_ranges;
mod subnets;
mod tags;
mod trunks;
mod wiring;

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use crate::model::Model;
use crate::model::network::Network;
use crate::model::port::Port;
use crate::model::qos::QosPolicy;
use crate::model::security_group::{SecurityGroup, SecurityGroupRule};
use crate::model::subnet::Subnet;
use crate::model::subnet_pool::SubnetPool;
use crate::model::trunk::Trunk;
use crate::store::Changed;
use collection::{Writable, create, delete, list, show, update};
use fault::Fault;
use resource::Resource;
pub(crate) use wiring::Wiring;

/// The network service: the model, and what makes it real.
#[derive(Debug)]
pub(crate) struct NeutronService {
    model: Mutex<Model>,
    wiring: Wiring,
    changed: Changed,
    pub(crate) public_url: String,
}

/// Shared handle of the handlers.
pub(crate) type Cloud = Arc<NeutronService>;

impl NeutronService {
    pub(crate) fn new(model: Model, wiring: Wiring, changed: Changed, public_url: String) -> Self {
        Self { model: Mutex::new(model), wiring, changed, public_url }
    }

    /// Looks at the model.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.model.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the model, wholly or not at all.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Model) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = model.clone();
        let done = change(&mut draft)?;
        *model = draft;
        drop(model);
        self.changed.mark();
        Ok(done)
    }
}

fn readable<R: Resource>() -> Router<Cloud> {
    Router::new()
        .route(&format!("/{}", R::SEGMENT), get(list::<R>))
        .route(&format!("/{}/{{id}}", R::SEGMENT), get(show::<R>))
}

fn writable<R: Writable>() -> Router<Cloud> {
    let tags = format!("/{}/{{id}}/tags", R::SEGMENT);
    Router::new()
        .route(&format!("/{}", R::SEGMENT), post(create::<R>))
        .route(&format!("/{}/{{id}}", R::SEGMENT), put(update::<R>).delete(delete::<R>))
        .route(
            &tags,
            get(tags::list::<R>).put(tags::replace::<R>).post(tags::add_many::<R>).delete(tags::clear::<R>),
        )
        .route(
            &format!("{tags}/{{tag}}"),
            get(tags::check::<R>).put(tags::add::<R>).delete(tags::remove::<R>),
        )
}

/// Everything under `/networking`.
pub(crate) fn router(service: Cloud) -> Router {
    let v2 = Router::new()
        .merge(readable::<Network>())
        .merge(readable::<Subnet>())
        .merge(readable::<SubnetPool>())
        .merge(readable::<Port>())
        .merge(
            // Listing makes the default group appear, as it does in Neutron.
            Router::new()
                .route("/security-groups", get(security_groups::list))
                .route("/security-groups/{id}", get(show::<SecurityGroup>)),
        )
        .merge(readable::<SecurityGroupRule>())
        .merge(writable::<Network>())
        .merge(writable::<Subnet>())
        .merge(writable::<SubnetPool>())
        .merge(writable::<Port>())
        .merge(writable::<SecurityGroup>())
        .merge(readable::<QosPolicy>())
        .merge(writable::<QosPolicy>())
        .merge(qos_policies::rules())
        .merge(readable::<Trunk>())
        .merge(writable::<Trunk>())
        .merge(trunks::subports())
        .route("/security-group-rules", post(security_group_rules::create))
        .route("/security-group-rules/{id}", axum::routing::delete(security_group_rules::delete))
        .route("/extensions", get(extensions::list))
        .route("/extensions/{alias}", get(extensions::show))
        .route("/quotas", get(quotas::list))
        .route("/quotas/{project}", get(quotas::show).put(quotas::update).delete(quotas::reset))
        .route("/quotas/{project}/default", get(quotas::defaults))
        .route("/quotas/{project}/details.json", get(quotas::details))
        .route("/quotas/{project}/details", get(quotas::details));
    Router::new()
        .route("/networking", get(versions))
        .route("/networking/v2.0", get(resources))
        .nest("/networking/v2.0", v2)
        .fallback(|| async {
            Fault::new(StatusCode::NOT_FOUND, "HTTPNotFound", "The resource could not be found.")
        })
        .with_state(service)
}

async fn versions(State(cloud): State<Cloud>) -> Response {
    let href = format!("{}/networking/v2.0/", cloud.public_url);
    let version = json!({"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]});
    Json(json!({"versions": [version]})).into_response()
}

async fn resources(State(cloud): State<Cloud>) -> Response {
    let names = [
        ("network", "networks"),
        ("subnet", "subnets"),
        ("subnetpool", "subnetpools"),
        ("port", "ports"),
        ("security_group", "security-groups"),
        ("security_group_rule", "security-group-rules"),
        ("trunk", "trunks"),
    ];
    let resources: Vec<_> = names
        .iter()
        .map(|(name, segment)| {
            let href = format!("{}/networking/v2.0/{segment}", cloud.public_url);
            json!({"name": name, "collection": segment.replace('-', "_"), "links": [{"rel": "self", "href": href}]})
        })
        .collect();
    Json(json!({"resources": resources})).into_response()
}
