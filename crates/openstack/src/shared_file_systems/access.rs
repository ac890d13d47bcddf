//! Rules that let somebody use a share.

use http::Method;
use serde_json::json;

use super::{AccessRule, Client, NewAccess, RULES};
use crate::{Result, page};

impl Client {
    /// The rules of a share, each with its own state. Needs microversion 2.45 (Rocky), as all calls about rules.
    ///
    /// # Errors
    /// Those of any call; status 400, not 404, if there is no such share; [`crate::Error::Unsupported`].
    pub async fn list_access_rules(&self, share_id: &str) -> Result<Vec<AccessRule>> {
        let what = format!("list access rules of share {share_id}");
        let (call, _) = self.call(RULES, Method::GET, "/share-access-rules", &[], &what).await?;
        page::all(&self.session, call.query(&[("share_id", share_id)]), "access_list").await
    }

    /// One rule.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none; [`crate::Error::Unsupported`].
    pub async fn get_access_rule(&self, id: &str) -> Result<AccessRule> {
        let (call, _) =
            self.call(RULES, Method::GET, "/share-access-rules/{}", &[id], "get access rule").await?;
        page::one(&self.session, &call, "access").await
    }

    /// Orders a rule; it is `queued_to_apply` at first. Not repeated once it may have been executed: after an error
    /// whose effect is unknown look for the rule with [`Self::list_access_rules`].
    ///
    /// # Errors
    /// Those of any call; status 400 if there is one for the same `access_to`, the protocol takes no such type, or the
    /// share is not available; [`crate::Error::Unsupported`].
    pub async fn allow_access(&self, share_id: &str, access: &NewAccess) -> Result<AccessRule> {
        let call = self.share_action(RULES, share_id, "allow access to share").await?;
        page::one(&self.session, &call.json(&json!({ "allow_access": access }))?, "access").await
    }

    /// Orders a rule's end. One that is not there has ended, and so has one of a share that is not there.
    ///
    /// # Errors
    /// Those of any call; status 403 if somebody locked it; [`crate::Error::Unsupported`].
    pub async fn deny_access(&self, share_id: &str, access_id: &str) -> Result<()> {
        let what = format!("deny access rule {access_id} of share");
        let call = self.share_action(RULES, share_id, &what).await?;
        let call = call.json(&json!({ "deny_access": { "access_id": access_id } }))?.repeatable();
        page::gone_is_success(self.session.send(&call).await)
    }
}
