//! What Cinder tells a user of failures that came after its answer.

use http::Method;
use serde::Deserialize;

use super::Client;
use crate::session::Microversion;
use crate::{Result, ServiceType, page};

/// Filters of the list, since Ocata.
const MESSAGES: Microversion = Microversion(3, 5);

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    user_message: String,
    #[serde(default)]
    created_at: String,
}

impl Client {
    /// The newest message about a resource, such as `schedule allocate volume:Could not find any available weighted
    /// backend.`; `None` when there is none, or the service is too old to have any.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn explain(&self, resource: &str) -> Result<Option<String>> {
        if self.session.newest_version(ServiceType::BlockStorage).await? < MESSAGES {
            return Ok(None);
        }
        let call = self.call(Method::GET, "/messages", &[], &format!("list messages about {resource}"))?;
        let call = call.query(&[("resource_uuid", resource)]).version(MESSAGES);
        let messages: Vec<Message> = page::all(&self.session, call, "messages").await?;
        let newest = messages.into_iter().max_by(|a, b| a.created_at.cmp(&b.created_at));
        Ok(newest.map(|m| m.user_message).filter(|text| !text.is_empty()))
    }
}
