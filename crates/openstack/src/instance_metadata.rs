//! The metadata service that a virtual machine reaches at a link-local address.
//!
//! Source: Nova's metadata service, `/openstack/latest/meta_data.json`. It knows a machine by where a request comes from,
//! so nothing is sent that says who we are, and no proxy may come between.

use std::time::Duration;

use reqwest::{Client, redirect};
use serde::Deserialize;
use url::Url;

/// Where it is, in every OpenStack cloud.
pub const ADDRESS: &str = "http://169.254.169.254";

const SERVICE: &str = "metadata";
const DOCUMENT: &str = "openstack/latest/meta_data.json";
const CONNECT: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(3);
/// Largest document accepted, in bytes; user data is not in it.
const LARGEST: usize = 1 << 20;

/// What the service says of this machine. The same document is on a config drive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstanceMetadata {
    /// Nova's id of the server.
    pub uuid: uuid::Uuid,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its project.
    #[serde(default)]
    pub project_id: String,
    /// Its availability zone.
    #[serde(default)]
    pub availability_zone: Option<String>,
}

/// Why there is no answer, or none to believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers there, or without a document about this machine: most likely there is no such service.
    #[error("{SERVICE} service at {url}: {reason}")]
    NoAnswer {
        /// Where it was asked.
        url: String,
        /// What happened, one line.
        reason: String,
    },
    /// Somebody answers with something else.
    #[error("{SERVICE} service at {url}: cannot understand the answer: {reason}")]
    Nonsense {
        /// Where it was asked.
        url: String,
        /// What did not fit.
        reason: String,
    },
}

/// Asks the service at `base` (without a path of its own: [`ADDRESS`]) once. Takes at most 3 s.
///
/// # Errors
/// [`Error::NoAnswer`] where there is no such service, [`Error::Nonsense`] for an answer that names no server.
pub async fn get(base: &Url) -> Result<InstanceMetadata, Error> {
    let url = format!("{}/{DOCUMENT}", base.as_str().trim_end_matches('/'));
    let no_answer = |reason: String| Error::NoAnswer { url: url.clone(), reason };
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(DEADLINE)
        .build()
        .map_err(|e| no_answer(crate::session::flatten(&e)))?;
    let failed = |e: reqwest::Error| no_answer(crate::session::flatten(&e.without_url()));
    let mut response = client.get(&url).send().await.map_err(failed)?;
    if response.status().as_u16() != 200 {
        return Err(no_answer(format!("HTTP {}", response.status().as_u16())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Error::Nonsense { url, reason: format!("it is larger than {} MiB", LARGEST >> 20) });
        }
        body.extend_from_slice(&chunk);
    }
    InstanceMetadata::parse(&body).map_err(|reason| Error::Nonsense { url, reason })
}

impl InstanceMetadata {
    /// Reads a `meta_data.json`.
    ///
    /// # Errors
    /// What does not fit, without the document's values.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(document).map_err(|e| {
            format!("no meta_data.json with the uuid of a server (line {}, column {})", e.line(), e.column())
        })
    }
}
