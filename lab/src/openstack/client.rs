//! A client of the real services, inside their network namespace.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use os::netns::{NetNs, run_in};
use serde_json::{Value, json};

use super::{KEYSTONE, NEUTRON, PASSWORD};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    subject_token: String,
}

/// A user in a project, without a front in between.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    netns: NetNs,
    token: String,
}

impl Client {
    /// Gets a token.
    pub(crate) fn new(netns: &NetNs, user: &str, project: &str) -> Result<Self> {
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": user, "domain": domain, "password": PASSWORD}}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let mut client = Self { netns: netns.clone(), token: String::new() };
        let answer = client.send("POST", &format!("{KEYSTONE}/v3/auth/tokens"), Some(&body))?;
        if answer.status != 201 {
            bail!("no token for {user}: {} {}", answer.status, answer.body);
        }
        client.token = answer.subject_token;
        Ok(client)
    }

    /// A call of Keystone, such as `/projects`, that must succeed.
    pub(crate) fn keystone(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(method, &format!("{KEYSTONE}/v3{path}"), body)
    }

    /// A call of Neutron, such as `/ports`, that must succeed.
    pub(crate) fn neutron(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(method, &format!("{NEUTRON}/v2.0{path}"), body)
    }

    fn call(&self, method: &str, url: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.send(method, url, body)?;
        if answer.status >= 300 {
            bail!("{method} {url}: {} {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Any call.
    pub(crate) fn send(&self, method: &str, url: &str, body: Option<&Value>) -> Result<Answer> {
        let work = || -> Result<Answer> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(exchange(method, url, &self.token, body))
        };
        run_in(&self.netns, work)
            .context("enter the lab's network namespace")?
            .with_context(|| format!("{method} {url}"))
    }
}

async fn exchange(method: &str, url: &str, token: &str, body: Option<&Value>) -> Result<Answer> {
    let client = reqwest::Client::builder()
        .tls_certs_only(std::iter::empty::<reqwest::Certificate>())
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .build()?;
    let mut request = client.request(method.parse()?, url);
    if !token.is_empty() {
        request = request.header("x-auth-token", token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let subject_token = answer.headers().get("x-subject-token").and_then(|v| v.to_str().ok());
    let subject_token = subject_token.unwrap_or_default().to_owned();
    let text = answer.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, body, subject_token })
}

/// The text at a path of keys, empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
