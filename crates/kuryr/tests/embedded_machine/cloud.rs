//! The development cloud, its operator's calls, and its log.

use std::collections::BTreeMap;
use std::time::Duration;

use devcloud::{DevCloud, Options, Running};
use openstack::network::Client;
use openstack::{AuthSettings, Session};
use serde_json::{Value, json};

/// A cloud and its administrator.
pub(crate) struct Cloud {
    running: Running,
    http: reqwest::Client,
    token: String,
}

/// A request that was seen: method and path, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) what: String,
    pub(crate) body: Value,
}

impl Cloud {
    pub(crate) async fn start(most_pairs: usize) -> Self {
        let mut options = Options::new("127.0.0.1:0".parse().unwrap());
        options.demo_is_admin = true;
        options.max_allowed_address_pair = most_pairs;
        let running = DevCloud::start(options).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(20));
        let mut cloud = Self { running, http: http.build().unwrap(), token: String::new() };
        let domain = json!({"id": "default"});
        let user = json!({"name": "demo", "password": "demo", "domain": domain});
        let body = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "demo", "domain": domain}}}});
        let url = format!("{}/v3/auth/tokens", cloud.running.auth_url);
        let answer = cloud.http.post(url).json(&body).send().await.unwrap();
        cloud.token = answer.headers()["x-subject-token"].to_str().unwrap().to_owned();
        cloud
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await.unwrap();
    }

    /// The client the service is to use.
    pub(crate) fn client(&self) -> Client {
        let options = [
            ("auth_type", "password"),
            ("auth_url", self.running.auth_url.as_str()),
            ("username", "demo"),
            ("password", "demo"),
            ("project_name", "demo"),
            ("user_domain_id", "default"),
            ("project_domain_id", "default"),
        ];
        let options: BTreeMap<String, String> =
            options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let settings = AuthSettings::from_keystoneauth_map("the test", &options).unwrap();
        Client::new(Session::new(settings).unwrap())
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("http://{}{path}", self.running.addr);
        let request = self.http.request(method.parse().unwrap(), &url).header("x-auth-token", &self.token);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A call of Neutron that must succeed.
    pub(crate) async fn neutron(&self, method: &str, path: &str, body: Value) -> Value {
        self.call(method, &format!("/networking/v2.0/{path}"), Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", &format!("/networking/v2.0/{path}"), None).await
    }

    /// Makes something; its id.
    pub(crate) async fn make(&self, collection: &str, key: &str, body: Value) -> String {
        let made = self.neutron("POST", collection, json!({key: body})).await;
        made[key]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn forget_requests(&self) {
        self.call("DELETE", "/admin/log", None).await;
    }

    /// The requests to Neutron since, in order.
    pub(crate) async fn requests(&self) -> Vec<Seen> {
        let log = self.call("GET", "/admin/log", None).await;
        let entries = log["entries"].as_array().unwrap().iter().filter(|entry| entry["service"] == "network");
        let seen = entries.map(|entry| {
            let (method, path) = (entry["method"].as_str().unwrap(), entry["path"].as_str().unwrap());
            let what = format!("{method} {}", path.trim_start_matches("/networking/v2.0/"));
            Seen { what, body: entry["body"].clone() }
        });
        seen.collect()
    }

    /// Holds the next such request before it takes effect.
    pub(crate) async fn hold_next(&self, method: &str, path: &str) {
        let rule = json!({"method": method, "path": format!("/networking/v2.0/{path}"),
            "action": {"hold": "before"}});
        self.call("POST", "/admin/faults", Some(rule)).await;
    }

    /// Waits until the request is there; its body.
    pub(crate) async fn held(&self, what: &str) -> Value {
        for _ in 0..1000 {
            let holds = self.call("GET", "/admin/holds", None).await;
            if holds.to_string().contains("\"id\"") {
                return self
                    .requests()
                    .await
                    .into_iter()
                    .rfind(|seen| seen.what.contains(what))
                    .unwrap()
                    .body;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was held");
    }

    /// Lets what is held go on.
    pub(crate) async fn release(&self) {
        self.call("DELETE", "/admin/faults", None).await;
    }
}
