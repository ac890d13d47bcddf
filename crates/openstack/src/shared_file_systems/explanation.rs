//! Why something failed, in Manila's own words.

use http::Method;

use super::{Client, MESSAGES, Message};
use crate::{Error, Result};

impl Client {
    /// What Manila last told about a share or snapshot that failed. `None` if it said nothing, or is too old to (before
    /// 2.37, Pike).
    ///
    /// # Errors
    /// Those of any call.
    pub async fn explain(&self, resource_id: &str) -> Result<Option<String>> {
        let what = format!("list messages about {resource_id}");
        let call = match self.call(MESSAGES, Method::GET, "/messages", &[], &what).await {
            Ok((call, _)) => call,
            Err(Error::Unsupported { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let newest =
            [("resource_id", resource_id), ("sort_key", "created_at"), ("sort_dir", "desc"), ("limit", "1")];
        let mut page: PageOfMessages = self.session.json(&call.query(&newest)).await?;
        // Not trusted to be sorted: the key is one that old releases might not know.
        page.messages.sort_by(|a, b| a.created_at.cmp(&b.created_at));
        Ok(page.messages.pop().map(|message| message.user_message).filter(|text| !text.is_empty()))
    }
}

/// One page only: no link to the next is followed.
#[derive(serde::Deserialize)]
struct PageOfMessages {
    #[serde(default)]
    messages: Vec<Message>,
}
