//! Microversions of the services that have them: asked once per endpoint, then remembered.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use http::Method;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::call::Repeat;
use super::exchange::{About, Failure};
use super::{Session, retry};
use crate::settings::ServiceType;
use crate::{Error, Result};

const OPERATION: &str = "ask for the API versions";
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// A microversion: major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Microversion(pub(crate) u16, pub(crate) u16);

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Microversion {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self(major.parse().map_err(drop)?, minor.parse().map_err(drop)?))
    }
}

/// The newest microversion of each endpoint asked so far. The lock is held while asking, so that it happens once.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<String, Microversion>>);

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    versions: Vec<Version>,
    #[serde(default)]
    version: Option<Version>,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    id: String,
    #[serde(default)]
    version: String,
}

impl ServiceType {
    /// What a service speaks that knows no microversions.
    fn oldest(self) -> Microversion {
        match self {
            Self::Network => Microversion(2, 0),
            Self::BlockStorage => Microversion(3, 0),
            Self::Compute => Microversion(2, 1),
            Self::SharedFileSystems => Microversion(2, 0),
        }
    }
}

impl Session {
    /// The newest microversion that the service knows; that of its major version, such as 3.0, if it knows none.
    pub(crate) async fn newest_version(&self, service: ServiceType) -> Result<Microversion> {
        let token = self.token(None).await?;
        let roots = service.version_roots(self, &token)?;
        let key = roots.iter().map(Url::as_str).next().unwrap_or_default().to_owned();
        let deadline = self.deadline(DEADLINE);
        // The wait for somebody else's question counts too.
        tokio::time::timeout(deadline, self.ask_once(service, &key, &roots, Instant::now() + deadline))
            .await
            .unwrap_or_else(|_| {
                Err(Error::Unreachable {
                    service: service.as_str(),
                    operation: OPERATION.to_owned(),
                    url: key.clone(),
                    reason: format!("no answer within {:.1} s", deadline.as_secs_f64()),
                    sent: false,
                })
            })
    }

    async fn ask_once(
        &self,
        service: ServiceType,
        key: &str,
        roots: &[Url],
        until: Instant,
    ) -> Result<Microversion> {
        let mut known = self.shared.versions.0.lock().await;
        if let Some(version) = known.get(key) {
            return Ok(*version);
        }
        let found = self.discover(service, roots, until).await?;
        known.insert(key.to_owned(), found);
        Ok(found)
    }

    async fn discover(&self, service: ServiceType, roots: &[Url], until: Instant) -> Result<Microversion> {
        let mut last = None;
        for root in roots {
            match self.read_versions(service, root, until).await {
                Ok(version) => return Ok(version),
                // Not the place: deployments differ in which of the two they serve.
                Err(error @ Error::Decode { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| decode(service, "there is no endpoint to ask")))
    }

    async fn read_versions(&self, service: ServiceType, root: &Url, until: Instant) -> Result<Microversion> {
        let global_id = format!("req-{}", Uuid::new_v4());
        let about = About {
            service: service.as_str(),
            method: &Method::GET,
            template: "/",
            operation: OPERATION,
            url: root,
            global_id: &global_id,
        };
        let mut pauses = retry::pauses();
        let mut refused = None;
        loop {
            let token = self.token(refused.as_ref()).await?;
            let mut request =
                self.shared.http.get(root.clone()).header(http::header::ACCEPT, "application/json");
            if let Some(value) = self.token_header(&token)? {
                request = request.header("x-auth-token", value);
            }
            let (error, repeat, retry_after) = match self.exchange(request, &about).await {
                // 300: several versions to choose from, an ordinary answer of an unversioned root.
                Ok(reply) if reply.status == 200 || reply.status == 300 => {
                    return newest(service, &reply.body);
                }
                Ok(reply) if reply.status == 401 && refused.is_none() && token.id.is_some() => {
                    refused = Some(token);
                    continue;
                }
                Ok(reply) if reply.status == 404 => {
                    return Err(decode(service, "HTTP 404: no version document there"));
                }
                Ok(reply) => {
                    let repeat =
                        retry::after_status(Repeat::Always, reply.status, reply.retry_after.is_some());
                    (self.refusal(&about, &reply, &token), repeat, reply.retry_after)
                }
                Err(Failure { error, .. }) => (error, true, None),
            };
            self.pause_or_fail(&mut pauses, until, error, repeat, retry_after).await?;
        }
    }
}

fn newest(service: ServiceType, body: &[u8]) -> Result<Microversion> {
    let document: Document =
        serde_json::from_slice(body).map_err(|_| decode(service, "no version document"))?;
    let major = service.major_version();
    let found = document.versions.into_iter().chain(document.version).find(|v| v.id.starts_with(major));
    let found = found.ok_or_else(|| {
        decode(service, &format!("it offers no {major}; releases before Mitaka are not supported"))
    })?;
    // Before microversions the field was empty.
    Ok(found.version.parse().unwrap_or(service.oldest()))
}

fn decode(service: ServiceType, reason: &str) -> Error {
    Error::Decode { service: service.as_str(), operation: OPERATION.to_owned(), reason: reason.to_owned() }
}
