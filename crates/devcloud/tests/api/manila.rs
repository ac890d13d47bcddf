//! Somebody who calls the share service of a started cloud.

use std::sync::Arc;
use std::time::Duration;

use devcloud::Options;
use serde_json::{Value, json};

use crate::client::{Answer, Cloud, id, options};

/// The newest version of most tests.
pub(crate) const VERSION: &str = "2.63";

#[derive(Clone)]
pub(crate) struct Shares {
    pub(crate) cloud: Arc<Cloud>,
    token: String,
    pub(crate) project: String,
    version: String,
}

impl Answer {
    /// The body of a good answer.
    #[track_caller]
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// The message of a refusal as Manila words it.
    #[track_caller]
    pub(crate) fn fault(&self, status: u16, kind: &str) -> String {
        assert_eq!((self.status, &self.body[kind]["code"]), (status, &json!(status)), "{self:?}");
        self.body[kind]["message"].as_str().unwrap().to_owned()
    }
}

impl Shares {
    /// The administrator of a cloud of its own.
    pub(crate) async fn start() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let cloud = Arc::new(Cloud::with(options).await);
        let token = cloud.token.clone();
        Self::of(cloud, token, "admin").await
    }

    async fn of(cloud: Arc<Cloud>, token: String, project: &str) -> Self {
        let state = cloud.admin("GET", "state", None).await.body;
        let project = state["projects"][project].as_str().unwrap().to_owned();
        Self { cloud, token, project, version: VERSION.into() }
    }

    /// An ordinary user of another project.
    pub(crate) async fn demo(&self) -> Self {
        let token = self.cloud.login("demo", "demo", "demo").await;
        Self::of(Arc::clone(&self.cloud), token, "demo").await
    }

    pub(crate) fn at(&self, version: &str) -> Self {
        Self { version: version.into(), ..self.clone() }
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, body: Option<Value>) -> reqwest::Response {
        let mut request = self.cloud.request(&self.token, method, path, body);
        if !self.version.is_empty() {
            request = request.header("x-openstack-manila-api-version", &self.version);
        }
        request.send().await.unwrap()
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/share/v2/{}{path}", self.project);
        crate::client::read(self.raw(method, &path, body).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    pub(crate) async fn action(&self, id: &str, body: Value) -> Answer {
        self.post(&format!("/shares/{id}/action"), body).await
    }

    /// How long things take and what goes wrong; quick unless it says otherwise.
    pub(crate) async fn faults(&self, mut faults: Value) {
        for (key, value) in [("create_ms", 20), ("delete_ms", 20), ("extend_ms", 20), ("rule_ms", 20)] {
            let map = faults.as_object_mut().unwrap();
            map.entry(key).or_insert(json!(value));
        }
        self.cloud.admin("POST", "options", Some(json!({"share_faults": faults}))).await.ok(200);
    }

    /// Asks for one, which is `creating` then.
    pub(crate) async fn order(&self, mut fields: Value) -> Value {
        for (key, value) in [("size", json!(1)), ("share_proto", json!("NFS"))] {
            fields.as_object_mut().unwrap().entry(key).or_insert(value);
        }
        self.post("/shares", json!({"share": fields})).await.ok(200)["share"].clone()
    }

    /// Creates one and waits until it is available.
    pub(crate) async fn share(&self, fields: Value) -> String {
        let id = id(&self.order(fields).await);
        self.wait(&format!("/shares/{id}"), "share", "status", "available").await;
        id
    }

    pub(crate) async fn show(&self, id: &str) -> Value {
        self.get(&format!("/shares/{id}")).await.ok(200)["share"].clone()
    }

    /// Polls a resource as a client does until a field has a value, or it is `gone`. All values seen, in order.
    pub(crate) async fn wait(&self, path: &str, key: &str, field: &str, wanted: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..2000 {
            let got = self.get(path).await;
            if wanted == "gone" && got.status == 404 {
                return seen;
            }
            let value = got.body[key][field].as_str().unwrap_or_default().to_owned();
            if seen.last() != Some(&value) {
                seen.push(value.clone());
            }
            if value == wanted {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        panic!("{path}: {seen:?} and never {wanted}");
    }

    /// Orders a rule.
    pub(crate) async fn allow(&self, share: &str, access_type: &str, access_to: &str) -> Answer {
        let rule = json!({"access_type": access_type, "access_to": access_to, "access_level": "rw"});
        self.action(share, json!({"allow_access": rule})).await
    }

    /// A rule in force.
    pub(crate) async fn allowed(&self, share: &str, access_type: &str, access_to: &str) -> String {
        let id = id(&self.allow(share, access_type, access_to).await.ok(200)["access"]);
        self.wait_rule(&id, "active").await;
        id
    }

    pub(crate) async fn wait_rule(&self, id: &str, state: &str) -> Vec<String> {
        self.wait(&format!("/share-access-rules/{id}"), "access", "state", state).await
    }

    pub(crate) async fn rules(&self, share: &str) -> Vec<Value> {
        let path = format!("/share-access-rules?share_id={share}");
        self.get(&path).await.ok(200)["access_list"].as_array().unwrap().clone()
    }

    pub(crate) async fn names(&self, query: &str) -> Vec<String> {
        let body = self.get(&format!("/shares/detail{query}")).await.ok(200);
        let names =
            body["shares"].as_array().unwrap().iter().map(|share| share["name"].as_str().unwrap().to_owned());
        names.collect()
    }
}
