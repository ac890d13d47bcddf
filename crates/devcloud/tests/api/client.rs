//! A started cloud and a client with a token.

use std::time::Duration;

use devcloud::upstream::{RunningFront, UpstreamFront, UpstreamOptions};
use devcloud::{DevCloud, Options, Running};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// Names real services to be tested instead of the development cloud.
const UPSTREAM: &str = "KURYR_TEST_UPSTREAM";
/// Of every user there.
const UPSTREAM_PASSWORD: &str = "secret";
/// There is one set of them.
static TURN: Mutex<()> = Mutex::const_new(());

pub(crate) struct Cloud {
    /// Where everything is, without a slash at the end.
    pub(crate) base: String,
    running: Option<Running>,
    /// Real services behind it, and our turn on them.
    upstream: Option<(RunningFront, MutexGuard<'static, ()>)>,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// Status and body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) request_id: String,
}

impl Answer {
    /// The exception type of a Neutron fault.
    pub(crate) fn kind(&self) -> &str {
        self.body["NeutronError"]["type"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, kind: &str) {
        assert_eq!((self.status, self.kind()), (status, kind), "{self:?}");
    }
}

pub(crate) fn options() -> Options {
    Options::new("127.0.0.1:0".parse().unwrap())
}

pub(crate) fn password(user: &str, password: &str, project: &str) -> Value {
    let domain = json!({"name": "Default"});
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}},
        "scope": {"project": {"name": project, "domain": domain}},
    }})
}

impl Cloud {
    /// The cloud to be tested: the development cloud, or the real services that `KURYR_TEST_UPSTREAM` names, such as
    /// `identity=http://127.0.0.1:5001,networking=http://127.0.0.1:9696`, all of whose networks, ports, pools and
    /// groups are removed first. What holds of both is tested with this one.
    pub(crate) async fn start() -> Self {
        match std::env::var(UPSTREAM) {
            Ok(services) if !services.is_empty() => Self::before(&services).await,
            _ => Self::own().await,
        }
    }

    /// A development cloud, whatever else there is: for what only it does.
    pub(crate) async fn own() -> Self {
        Self::with(options()).await
    }

    async fn before(services: &str) -> Self {
        let turn = TURN.lock().await;
        let upstreams = services.split(',').map(|s| s.parse().unwrap()).collect();
        let front = UpstreamFront::start(UpstreamOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            upstreams,
            latency: Duration::ZERO,
        });
        let front = front.await.unwrap();
        let mut cloud = Self::at(&format!("http://{}", front.addr), UPSTREAM_PASSWORD).await;
        cloud.upstream = Some((front, turn));
        cloud.empty().await;
        cloud.admin("DELETE", "log", None).await;
        cloud
    }

    /// Removes everything but what the cloud was set up with.
    async fn empty(&self) {
        for quota in self.get("quotas").await.body["quotas"].as_array().into_iter().flatten() {
            self.delete(&format!("quotas/{}", quota["project_id"].as_str().unwrap())).await;
        }
        for trunk in self.get("trunks").await.body["trunks"].as_array().into_iter().flatten() {
            let parent = trunk["port_id"].as_str().unwrap();
            self.put(&format!("ports/{parent}"), json!({"port": {"binding:host_id": ""}})).await;
            self.put(&format!("trunks/{}", id(trunk)), json!({"trunk": {"admin_state_up": true}})).await;
        }
        let mut left = String::new();
        for _ in 0..5 {
            left.clear();
            for path in ["trunks", "ports", "networks", "subnetpools", "security-groups", "qos/policies"] {
                let key = path.rsplit('/').next().unwrap_or_default().replace('-', "_");
                let listed = self.get(path).await.body;
                for item in listed[&key].as_array().into_iter().flatten() {
                    let name = item["name"].as_str().unwrap_or_default();
                    if ["default", "kuryr", "kuryr6"].contains(&name) {
                        continue;
                    }
                    let answer = self.delete(&format!("{path}/{}", id(item))).await;
                    if !matches!(answer.status, 204 | 404) {
                        left = format!("{path}: {answer:?}");
                    }
                }
            }
            if left.is_empty() {
                return;
            }
        }
        panic!("the cloud cannot be emptied: {left}");
    }

    pub(crate) async fn with(options: Options) -> Self {
        let password = options.admin_password.clone();
        let running = DevCloud::start(options).await.unwrap();
        let mut cloud = Self::at(&format!("http://{}", running.addr), &password).await;
        cloud.running = Some(running);
        cloud
    }

    /// The administrator of the cloud that is there.
    pub(crate) async fn at(base: &str, password: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20));
        let http = http.user_agent("test/1").build().unwrap();
        let mut cloud =
            Self { base: base.to_owned(), running: None, upstream: None, http, token: String::new() };
        cloud.token = cloud.login("admin", password, "admin").await;
        cloud
    }

    pub(crate) async fn stop(self) {
        self.running.unwrap().stop().await.unwrap();
    }

    pub(crate) async fn login(&self, user: &str, secret: &str, project: &str) -> String {
        let secret = if self.upstream.is_some() { UPSTREAM_PASSWORD } else { secret };
        self.issue(&password(user, secret, project)).await.unwrap()
    }

    pub(crate) async fn issue(&self, body: &Value) -> Result<String, Answer> {
        let url = format!("{}/identity/v3/auth/tokens", self.base);
        let answer = self.http.post(url).json(body).send().await.unwrap();
        match answer.headers().get("x-subject-token") {
            Some(token) => Ok(token.to_str().unwrap().to_owned()),
            None => Err(read(answer).await),
        }
    }

    /// The same cloud as somebody else.
    pub(crate) fn request(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.base);
        let request = self.http.request(method.parse().unwrap(), url).header("x-auth-token", token);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        read(self.request(token, method, path, body).send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&self.token, "GET", &format!("/networking/v2.0/{path}"), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.token, "POST", &format!("/networking/v2.0/{path}"), Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(&self.token, "PUT", &format!("/networking/v2.0/{path}"), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(&self.token, "DELETE", &format!("/networking/v2.0/{path}"), None).await
    }

    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call("", method, &format!("/admin/{path}"), body).await
    }

    /// Creates one resource and gives it back.
    #[track_caller]
    pub(crate) fn create(&self, path: &str, key: &str, body: Value) -> impl Future<Output = Value> {
        let (path, key) = (path.to_owned(), key.to_owned());
        async move {
            let answer = self.post(&path, json!({&key: body})).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            answer.body[&key].clone()
        }
    }

    pub(crate) async fn network(&self) -> String {
        id(&self.create("networks", "network", json!({"name": "net"})).await)
    }

    /// A subnet without DHCP.
    pub(crate) async fn subnet(&self, network: &str, cidr: &str) -> String {
        let version = if cidr.contains(':') { 6 } else { 4 };
        let body = json!({"network_id": network, "ip_version": version, "cidr": cidr, "enable_dhcp": false});
        id(&self.create("subnets", "subnet", body).await)
    }

    pub(crate) async fn port(&self, body: Value) -> Answer {
        self.post("ports", json!({"port": body})).await
    }
}

pub(crate) fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn read(answer: reqwest::Response) -> Answer {
    let status = answer.status().as_u16();
    let request_id = answer.headers().get("x-openstack-request-id").map(|v| v.to_str().unwrap().to_owned());
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, body, request_id: request_id.unwrap_or_default() }
}
