//! A cloud on loopback whose answers a test scripts.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use openstack::{AuthSettings, Session};
use serde_json::{Value, json};

/// A password that must not be seen anywhere.
pub const CANARY: &str = "canary-9f3b-do-not-print";

/// A request as the cloud saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Seen {
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub type Answer = Response<Body>;

/// What the services answer; the second argument counts the requests to services, from 0. Keystone is built in.
type Script = Arc<dyn Fn(&Seen, usize) -> Answer + Send + Sync>;

#[derive(Clone)]
pub struct Cloud {
    pub base: String,
    log: Arc<Mutex<Vec<Seen>>>,
    pub keystone: Arc<Mutex<Keystone>>,
}

/// How the built-in Keystone behaves.
pub struct Keystone {
    /// Seconds a token lives.
    pub lifetime: i64,
    /// Answer instead of a token: status and body.
    pub refuse: Option<(u16, String)>,
    pub catalog: Option<Value>,
    issued: usize,
}

impl Cloud {
    pub async fn start(script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let keystone = Keystone { lifetime: 3600, refuse: None, catalog: None, issued: 0 };
        let cloud = Self { base, log: Arc::default(), keystone: Arc::new(Mutex::new(keystone)) };
        let router = cloud.router(Arc::new(script));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        cloud
    }

    pub fn router(&self, script: Script) -> Router {
        let cloud = self.clone();
        Router::new().fallback(move |request: Request| {
            let (cloud, script) = (cloud.clone(), Arc::clone(&script));
            async move { cloud.answer(request, &script).await }
        })
    }

    async fn answer(&self, request: Request, script: &Script) -> Answer {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let seen = Seen {
            method: parts.method.to_string(),
            target: parts.uri.path_and_query().unwrap().to_string(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        let auth = seen.target == "/identity/v3/auth/tokens";
        let index = {
            let mut log = self.log.lock().unwrap();
            let index = log.iter().filter(|s| !s.target.starts_with("/identity")).count();
            log.push(seen.clone());
            index
        };
        if auth { self.token() } else { script(&seen, index) }
    }

    fn token(&self) -> Answer {
        let mut keystone = self.keystone.lock().unwrap();
        if let Some((status, body)) = &keystone.refuse {
            return text(*status, body);
        }
        keystone.issued += 1;
        let now = jiff::Timestamp::now();
        let ends = now + jiff::SignedDuration::from_secs(keystone.lifetime);
        let catalog = keystone.catalog.clone().unwrap_or_else(|| {
            json!([
                service("network", &[("public", "R1", format!("{}/net", self.base))]),
                service("compute", &[("public", "R1", format!("{}/compute/v2.1", self.base))]),
                service("volumev3", &[("public", "R1", format!("{}/volume/v3/p1", self.base))]),
                service("sharev2", &[("public", "R1", format!("{}/share/v2", self.base))]),
            ])
        });
        let body = json!({ "token": {
            "expires_at": ends.to_string(), "issued_at": now.to_string(),
            "project": { "id": "p1", "name": "demo" }, "catalog": catalog,
        }});
        let id = format!("tok-{}", keystone.issued);
        with_header(answer(201, &body), "x-subject-token", &id)
    }

    pub fn log(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.log().iter().map(Seen::line).collect()
    }

    pub fn tokens_asked(&self) -> usize {
        self.log().iter().filter(|s| s.target.ends_with("/auth/tokens")).count()
    }

    /// Requests to services.
    pub fn calls(&self) -> Vec<Seen> {
        self.log().into_iter().filter(|s| !s.target.starts_with("/identity")).collect()
    }

    pub fn options(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let base = format!("{}/identity", self.base);
        let mut options = map(&[
            ("auth_type", "password"),
            ("auth_url", &base),
            ("username", "kuryr"),
            ("password", CANARY),
            ("user_domain_name", "Default"),
            ("project_name", "service"),
            ("project_domain_name", "Default"),
        ]);
        options.extend(map(more));
        options
    }

    pub fn session_with(&self, more: &[(&str, &str)]) -> Session {
        let options = self.options(more);
        Session::new(AuthSettings::from_keystoneauth_map("[neutron] of the test", &options).unwrap()).unwrap()
    }

    pub fn session(&self) -> Session {
        self.session_with(&[])
    }

    pub fn network(&self) -> openstack::network::Client {
        openstack::network::Client::new(self.session())
    }

    pub fn block_storage(&self) -> openstack::block_storage::Client {
        openstack::block_storage::Client::new(self.session())
    }

    pub fn shared_file_systems(&self) -> openstack::shared_file_systems::Client {
        openstack::shared_file_systems::Client::new(self.session())
    }
}

impl Cloud {
    pub fn compute(&self) -> openstack::compute::Client {
        openstack::compute::Client::new(self.session())
    }
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A catalog entry: (interface, region, url).
pub fn service(kind: &str, endpoints: &[(&str, &str, String)]) -> Value {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|(interface, region, url)| json!({ "interface": interface, "region_id": region, "region": region, "url": url }))
        .collect();
    json!({ "type": kind, "name": kind, "endpoints": endpoints })
}

pub fn answer(status: u16, body: &Value) -> Answer {
    with_header(text(status, &body.to_string()), "content-type", "application/json")
}

pub fn text(status: u16, body: &str) -> Answer {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    with_header(response, "x-openstack-request-id", "req-of-the-service")
}

pub fn with_header(mut response: Answer, name: &'static str, value: &str) -> Answer {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

pub fn neutron_fault(status: u16, kind: &str, message: &str) -> Answer {
    answer(status, &json!({ "NeutronError": { "type": kind, "message": message, "detail": "" } }))
}

pub fn port(id: &str) -> Value {
    json!({ "id": id, "network_id": "n1", "mac_address": "fa:16:3e:00:00:01", "revision_number": 3 })
}

pub fn ports(ids: &[&str]) -> Answer {
    answer(200, &json!({ "ports": ids.iter().map(|id| port(id)).collect::<Vec<_>>() }))
}
