//! Neutron (networking API v2.0).

mod inventory;
mod model;
mod networks;
mod ports;
mod qos;
mod security_groups;
mod subnetpools;
mod subnets;
mod tags;
mod trunks;

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use inventory::Listed;
pub use model::*;

use crate::page;
use crate::session::Call;
use crate::{Result, ServiceType, Session};

/// Neutron's calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    session: Session,
}

impl Client {
    /// Neutron as `session` sees it.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session it uses.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Aliases of the extensions that are loaded.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn extensions(&self) -> Result<BTreeSet<String>> {
        #[derive(Deserialize)]
        struct Extension {
            alias: String,
        }
        let all: Vec<Extension> = self.list("/extensions", "extensions", "list extensions", &[]).await?;
        Ok(all.into_iter().map(|extension| extension.alias).collect())
    }

    fn call(&self, method: Method, template: &'static str, ids: &[&str], what: &str) -> Result<Call> {
        let operation = ids.iter().fold(what.to_owned(), |text, id| format!("{text} {id}"));
        Call::new(ServiceType::Network, method, template, ids, operation)
    }

    async fn list<T: DeserializeOwned>(
        &self,
        template: &'static str,
        key: &str,
        what: &str,
        filters: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let call = self.call(Method::GET, template, &[], what)?.query(filters);
        page::all(&self.session, call, key).await
    }

    async fn get<T: DeserializeOwned>(&self, template: &'static str, key: &str, id: &str) -> Result<T> {
        let call = self.call(Method::GET, template, &[id], &format!("get {}", spoken(key)))?;
        page::one(&self.session, &call, key).await
    }

    async fn create<T: DeserializeOwned>(
        &self,
        template: &'static str,
        key: &str,
        name: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let what = format!("create {} {name}", spoken(key));
        let call = self.call(Method::POST, template, &[], what.trim_end())?;
        page::one(&self.session, &call.json(&wrap(key, body))?, key).await
    }

    async fn delete(&self, template: &'static str, what: &str, id: &str) -> Result<()> {
        let call = self.call(Method::DELETE, template, &[id], what)?;
        page::gone_is_success(self.session.send(&call).await)
    }
}

/// `{key: body}`
fn wrap<'a, T: Serialize>(key: &'a str, body: &'a T) -> impl Serialize + use<'a, T> {
    std::collections::BTreeMap::from([(key, body)])
}

/// `security_group` is a `security group` to a reader.
fn spoken(key: &str) -> String {
    key.replace('_', " ")
}

/// Tells nothing about an answer but that it is an object.
type Ignored = Map<String, Value>;
