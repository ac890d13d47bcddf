//! The cloud as an operator sees it, through its front.

mod contents;
mod controls;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{CloudKind, in_netns};

pub use controls::{Call, Fault};

/// A client of the cloud that runs inside the world's network namespace.
#[derive(Debug, Clone)]
pub struct Cloud {
    netns: PathBuf,
    base: String,
    kind: CloudKind,
    tokens: Arc<Mutex<HashMap<String, Token>>>,
}

/// A user's token and the project it is for.
#[derive(Debug, Clone)]
struct Token {
    id: String,
    project: String,
}

impl Cloud {
    pub(crate) fn new(netns: PathBuf, port: u16, kind: CloudKind) -> Self {
        Self { netns, base: format!("http://127.0.0.1:{port}"), kind, tokens: Arc::default() }
    }

    /// A development cloud that is not a world's: where it is as seen from that network namespace, such as
    /// `http://10.0.0.1:5000`.
    #[must_use]
    pub fn at(netns: PathBuf, base: &str) -> Self {
        Self { netns, base: base.to_owned(), kind: CloudKind::DevCloud, tokens: Arc::default() }
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
                    .timeout(Duration::from_secs(60))
                    .build()?;
                let mut request = client.request(method.parse()?, &url).header("x-auth-token", token);
                request = request.header("openstack-api-version", "volume 3.54");
                request = request.header("x-openstack-manila-api-version", newest_of_manila(self.kind));
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

    /// A new token of the given project's user (user and project have the same name).
    ///
    /// # Errors
    /// When the cloud refuses.
    pub fn token(&self, who: &str) -> Result<String> {
        Ok(self.new_token(who)?.id)
    }

    fn new_token(&self, who: &str) -> Result<Token> {
        let domain = json!({"id": "default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"],
                "password": {"user": {"name": who, "domain": domain, "password": "secret"}}},
            "scope": {"project": {"name": who, "domain": domain}},
        }});
        let (status, answer, id) = self.send("POST", "/identity/v3/auth/tokens", "", Some(&body))?;
        if status != 201 {
            bail!("no token for {who}: {status} {answer}");
        }
        let project = answer.pointer("/token/project/id").and_then(Value::as_str).unwrap_or_default();
        let token = Token { id, project: project.to_owned() };
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(who.to_owned(), token.clone());
        Ok(token)
    }

    fn known_token(&self, who: &str) -> Result<Token> {
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(who).cloned();
        known.map_or_else(|| self.new_token(who), Ok)
    }

    /// The id of a user's project.
    ///
    /// # Errors
    /// When the cloud refuses.
    pub fn project(&self, who: &str) -> Result<String> {
        Ok(self.known_token(who)?.project)
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
        let mut token = self.known_token(who)?;
        let (mut status, mut answer, _) = self.send(method, path, &token.id, body.as_ref())?;
        if status == 401 {
            // The cloud was started again, or the token was revoked.
            token = self.new_token(who)?;
            (status, answer, _) = self.send(method, path, &token.id, body.as_ref())?;
        }
        if status >= 300 {
            bail!("{method} {path}: {status} {answer}");
        }
        Ok(answer)
    }
}

/// The microversion of Manila that is spoken: one that is refused is a refused call.
fn newest_of_manila(kind: CloudKind) -> &'static str {
    match kind {
        CloudKind::DevCloud => "2.63",
        CloudKind::OpenStack => "2.65",
    }
}
