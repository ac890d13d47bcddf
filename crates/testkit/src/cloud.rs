//! The cloud as an operator sees it, and the development cloud's own controls.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::in_netns;

/// A client of the cloud that runs inside the world's network namespace.
#[derive(Debug, Clone)]
pub struct Cloud {
    netns: PathBuf,
    base: String,
}

/// A request the cloud has seen.
#[derive(Debug, Clone)]
pub struct Call {
    /// `network`, `block-storage`, `identity`, ...
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Answered status.
    pub status: u64,
}

/// A fault for the n-th matching call from now on.
#[derive(Debug, Clone)]
pub struct Fault {
    /// HTTP method; empty for any.
    pub method: &'static str,
    /// Path pattern with `*`.
    pub path: &'static str,
    /// Which match is hit, from 1.
    pub nth: u32,
    /// How many matches in a row are hit.
    pub count: u32,
    /// As the development cloud's `/admin/faults` takes it.
    pub action: Value,
}

impl Fault {
    /// The next call matching `method path` gets `action`.
    #[must_use]
    pub fn next(method: &'static str, path: &'static str, action: Value) -> Self {
        Self { method, path, nth: 1, count: 1, action }
    }
}

impl Cloud {
    pub(crate) fn new(netns: PathBuf, port: u16) -> Self {
        Self { netns, base: format!("http://127.0.0.1:{port}") }
    }

    /// Keystone's address.
    #[must_use]
    pub fn auth_url(&self) -> String {
        format!("{}/identity/v3", self.base)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value, String)> {
        let url = format!("{}{path}", self.base);
        in_netns(&self.netns, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = reqwest::Client::builder()
                    .tls_certs_only(std::iter::empty::<reqwest::Certificate>())
                    .no_proxy()
                    .timeout(Duration::from_secs(30))
                    .build()?;
                let mut request = client.request(method.parse()?, &url).header("x-auth-token", token);
                request = request.header("openstack-api-version", "volume 3.54");
                if let Some(body) = body {
                    request = request.json(body);
                }
                let answer = request.send().await?;
                let status = answer.status().as_u16();
                let header = answer.headers().get("x-subject-token").and_then(|v| v.to_str().ok());
                let header = header.unwrap_or_default().to_owned();
                let text = answer.text().await?;
                Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text)), header))
            })
        })
        .with_context(|| format!("{method} {path}"))
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.send("GET", "/admin/ready", "", None).is_ok_and(|(status, ..)| status == 200)
    }

    /// A token of the given project's user (user and project have the same name).
    ///
    /// # Errors
    /// When the cloud refuses.
    pub fn token(&self, who: &str) -> Result<String> {
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": who, "domain": domain, "password": "secret"}}},
            "scope": {"project": {"name": who, "domain": domain}},
        }});
        let (status, answer, token) = self.send("POST", "/identity/v3/auth/tokens", "", Some(&body))?;
        if status != 201 {
            bail!("no token for {who}: {status} {answer}");
        }
        Ok(token)
    }

    /// An API call as the tenant `demo`; any status below 300 is success.
    ///
    /// # Errors
    /// With status and text of the answer.
    pub fn api(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        self.api_as("demo", method, path, body)
    }

    /// An API call as somebody.
    ///
    /// # Errors
    /// With status and text of the answer.
    pub fn api_as(&self, who: &str, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let token = self.token(who)?;
        let (status, answer, _) = self.send(method, path, &token, body.as_ref())?;
        if status >= 300 {
            bail!("{method} {path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// A call of the development cloud's own controls.
    ///
    /// # Errors
    /// With status and text of the answer.
    pub fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer, _) = self.send(method, &format!("/admin/{path}"), "", body.as_ref())?;
        if status >= 300 {
            bail!("{method} /admin/{path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// Everything in the cloud.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn state(&self) -> Result<Value> {
        self.admin("GET", "state", None)
    }

    /// Forgets the requests seen so far.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn clear_log(&self) -> Result<()> {
        self.admin("DELETE", "log", None).map(drop)
    }

    /// The requests to the services seen since the log was cleared, in order; not those of `/admin`, and not
    /// Keystone's.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn calls(&self) -> Result<Vec<Call>> {
        let log = self.admin("GET", "log", None)?;
        let entries = log.get("entries").and_then(Value::as_array).cloned();
        let text = |e: &Value, key: &str| e.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(entries
            .unwrap_or_default()
            .iter()
            .map(|e| Call {
                service: text(e, "service"),
                method: text(e, "method"),
                path: text(e, "path"),
                status: e.get("status").and_then(Value::as_u64).unwrap_or_default(),
            })
            .filter(|c| c.path.starts_with("/networking/") || c.path.starts_with("/volume/"))
            .collect())
    }

    /// Plants a fault.
    ///
    /// # Errors
    /// When the cloud refuses it.
    pub fn fault(&self, fault: &Fault) -> Result<()> {
        let mut body =
            json!({"path": fault.path, "nth": fault.nth, "count": fault.count, "action": fault.action});
        if let (false, Some(body)) = (fault.method.is_empty(), body.as_object_mut()) {
            body.insert("method".into(), fault.method.into());
        }
        self.admin("POST", "faults", Some(body)).map(drop)
    }

    /// Removes all faults and lets everything held go on.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn clear_faults(&self) -> Result<()> {
        self.admin("DELETE", "faults", None)?;
        for hold in self.holds()? {
            self.admin("POST", &format!("holds/{hold}/release"), None)?;
        }
        Ok(())
    }

    /// Ids of the requests that are being held.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn holds(&self) -> Result<Vec<String>> {
        let holds = self.admin("GET", "holds", None)?;
        let entries = holds.as_array().or_else(|| holds.get("holds").and_then(Value::as_array)).cloned();
        let id = |h: &Value| match h.get("id").unwrap_or(h) {
            Value::String(s) => s.clone(),
            other => other.to_string(),
        };
        Ok(entries.unwrap_or_default().iter().map(id).collect())
    }

    /// Waits until some request is held.
    ///
    /// # Errors
    /// When none is within 20 s.
    pub fn wait_for_hold(&self) -> Result<String> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(id) = self.holds()?.into_iter().next() {
                return Ok(id);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("no request was held within 20 s")
    }
}
