//! The service over its router, as a client sees it.

mod actions;
mod attachments;
mod life;
mod listing;
mod loop_export;
mod protocol;
mod quotas;
mod snapshots;
mod volumes;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::caller::Caller;
use crate::datapath::{DataPathError, Result as PathResult};

pub(super) const PROJECT: &str = "0123456789abcdef0123456789abcdef";
pub(super) const NONE: &str = "00000000-0000-4000-8000-000000000000";

/// A data path that only remembers.
#[derive(Debug, Default)]
pub(super) struct Paper {
    pub(super) volumes: Mutex<BTreeSet<String>>,
    pub(super) exported: Mutex<BTreeSet<String>>,
    pub(super) calls: Mutex<Vec<String>>,
}

impl Paper {
    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    pub(super) fn is_exported(&self, id: &str) -> bool {
        self.exported.lock().unwrap().contains(id)
    }
}

#[async_trait]
impl VolumeDataPath for Paper {
    async fn create(&self, id: &str, size: u64) -> PathResult<()> {
        self.note(format!("create {size}"));
        let new = self.volumes.lock().unwrap().insert(id.into());
        if new { Ok(()) } else { Err(DataPathError("exists".into())) }
    }

    async fn clone_from(&self, id: &str, size: u64, source: &str) -> PathResult<()> {
        self.note(format!("clone {size}"));
        if !self.volumes.lock().unwrap().contains(source) {
            return Err(DataPathError("no source".into()));
        }
        self.volumes.lock().unwrap().insert(id.into());
        Ok(())
    }

    async fn delete(&self, id: &str) -> PathResult<()> {
        self.note("delete".into());
        assert!(!self.is_exported(id), "deleted while exported");
        self.volumes.lock().unwrap().remove(id);
        Ok(())
    }

    async fn export(&self, id: &str, read_only: bool) -> PathResult<PathBuf> {
        self.note(format!("export {}", if read_only { "ro" } else { "rw" }));
        if !self.volumes.lock().unwrap().contains(id) {
            return Err(DataPathError("no such volume".into()));
        }
        self.exported.lock().unwrap().insert(id.into());
        Ok(PathBuf::from("/dev/paper0"))
    }

    async fn unexport(&self, id: &str) -> PathResult<()> {
        self.note("unexport".into());
        self.exported.lock().unwrap().remove(id);
        Ok(())
    }

    async fn extend(&self, _id: &str, size: u64) -> PathResult<()> {
        self.note(format!("extend {size}"));
        Ok(())
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Got {
    /// The body of a good answer.
    #[track_caller]
    pub(super) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The message of a refusal of this kind.
    #[track_caller]
    pub(super) fn fault(self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body[kind]["code"], json!(status), "{}", self.body);
        self.body[kind]["message"].as_str().unwrap().to_owned()
    }
}

/// A service and somebody who calls it.
pub(super) struct Client {
    pub(super) cinder: Arc<Cinder>,
    pub(super) paper: Arc<Paper>,
    pub(super) project: String,
    pub(super) admin: bool,
    pub(super) service: bool,
    pub(super) version: &'static str,
}

impl Client {
    pub(super) fn new() -> Self {
        Self::with(CinderOptions::default())
    }

    /// Short, but long enough to be seen on a busy machine.
    pub(super) fn with(mut options: CinderOptions) -> Self {
        let short = Duration::from_millis(100);
        options.latencies = Latencies { create: short, delete: short, extend: short, ..options.latencies };
        let paper = Arc::new(Paper::default());
        let cinder = Cinder::new(options, Some(paper.clone()));
        Self { cinder, paper, project: PROJECT.into(), admin: false, service: false, version: "volume 3.71" }
    }

    /// Another caller of the same service.
    pub(super) fn again(&self) -> Self {
        Self {
            cinder: Arc::clone(&self.cinder),
            paper: Arc::clone(&self.paper),
            project: self.project.clone(),
            admin: false,
            service: false,
            version: self.version,
        }
    }

    pub(super) fn admin(&self) -> Self {
        Self { admin: true, ..self.again() }
    }

    pub(super) fn at(&self, version: &'static str) -> Self {
        Self { version, ..self.again() }
    }

    /// Sends to a full path, as it is.
    pub(super) async fn raw(&self, method: Method, path: &str, body: Option<Value>) -> Got {
        let mut request = Request::builder().method(method).uri(path).header("host", "cloud.test");
        if !self.version.is_empty() {
            request = request.header("OpenStack-API-Version", self.version);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(Caller {
            user_id: "user".into(),
            project_id: self.project.clone(),
            is_admin: self.admin,
        });
        if self.service {
            request.extensions_mut().insert(ServiceCaller);
        }
        send(&self.cinder, request).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Got {
        self.raw(method, &format!("/v3/{}{path}", self.project), body).await
    }

    pub(super) async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Got {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Got {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Got {
        self.send(Method::DELETE, path, None).await
    }

    /// Polls as a client does.
    pub(super) async fn wait(&self, id: &str, status: &str) {
        let mut seen = Value::Null;
        for _ in 0..200 {
            let got = self.get(&format!("/volumes/{id}")).await;
            if status == "gone" && got.status == 404 {
                return;
            }
            seen = got.body["volume"]["status"].clone();
            if seen == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("volume {id} is {seen}, not {status}");
    }

    /// Creates from these fields and waits until it is available.
    pub(super) async fn volume(&self, fields: Value) -> String {
        let body = self.post("/volumes", json!({"volume": fields})).await.ok(202);
        let id = body["volume"]["id"].as_str().unwrap().to_owned();
        self.wait(&id, "available").await;
        id
    }

    pub(super) async fn show(&self, id: &str) -> Value {
        self.get(&format!("/volumes/{id}")).await.ok(200)["volume"].clone()
    }

    pub(super) async fn action(&self, id: &str, body: Value) -> Got {
        self.post(&format!("/volumes/{id}/action"), body).await
    }

    /// Attaches with a connector.
    pub(super) async fn attach(&self, volume: &str, mode: &str) -> Got {
        let connector = json!({"host": "h1", "ip": "127.0.0.1", "mountpoint": "/var/lib/fuxi/x"});
        let body = json!({"attachment": {"volume_uuid": volume, "connector": connector, "mode": mode}});
        self.post("/attachments", body).await
    }

    pub(super) async fn complete(&self, attachment: &str) -> Got {
        self.post(&format!("/attachments/{attachment}/action"), json!({"os-complete": null})).await
    }
}

pub(super) async fn send(cinder: &Arc<Cinder>, request: Request) -> Got {
    let response = router(Arc::clone(cinder)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Got { status: parts.status.as_u16(), headers: parts.headers, body }
}

pub(super) fn id_of(body: &Value) -> String {
    body["attachment"]["id"].as_str().unwrap().to_owned()
}
