//! Tags of any resource that takes them.

use http::Method;
use serde_json::json;

use super::{Client, Taggable};
use crate::session::Call;
use crate::{Result, page};

impl Client {
    /// Makes these the tags of the resource, all of them.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such resource.
    pub async fn set_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        let call = self.tag_call(Method::PUT, whole(kind), &[id], "set the tags of", kind, id)?;
        self.session.send(&call.json(&json!({ "tags": tags }))?).await.map(drop)
    }

    /// Adds tags in one call and leaves the others (extension `tag-creation`).
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such resource, or no such extension.
    pub async fn add_tags(&self, kind: Taggable, id: &str, tags: &[String]) -> Result<()> {
        let call = self.tag_call(Method::POST, whole(kind), &[id], "add tags to", kind, id)?;
        self.session.send(&call.json(&json!({ "tags": tags }))?).await.map(drop)
    }

    /// Adds a tag; one that is there stays.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such resource.
    pub async fn add_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        let what = format!("add tag {tag} to");
        let call = self.tag_call(Method::PUT, single(kind), &[id, tag], &what, kind, id)?;
        self.session.send(&call).await.map(drop)
    }

    /// Removes a tag; one that is not there is removed, and so is one of a resource that is not there.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn remove_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<()> {
        let what = format!("remove tag {tag} from");
        let call = self.tag_call(Method::DELETE, single(kind), &[id, tag], &what, kind, id)?;
        page::gone_is_success(self.session.send(&call).await)
    }

    /// Removes a tag and tells whether this call did it; of several at once one does. Not repeated, so that a repetition
    /// does not find the work of the first try.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn take_tag(&self, kind: Taggable, id: &str, tag: &str) -> Result<bool> {
        let what = format!("take tag {tag} from");
        let call = self.tag_call(Method::DELETE, single(kind), &[id, tag], &what, kind, id)?;
        match self.session.send(&call.once()).await {
            Err(error) if error.is_not_found() => Ok(false),
            other => other.map(|_| true),
        }
    }

    fn tag_call(
        &self,
        method: Method,
        template: &'static str,
        ids: &[&str],
        what: &str,
        kind: Taggable,
        id: &str,
    ) -> Result<Call> {
        let operation = format!("{what} {} {id}", noun(kind));
        Call::new(crate::ServiceType::Network, method, template, ids, operation)
    }
}

fn whole(kind: Taggable) -> &'static str {
    match kind {
        Taggable::Network => "/networks/{}/tags",
        Taggable::Subnet => "/subnets/{}/tags",
        Taggable::SubnetPool => "/subnetpools/{}/tags",
        Taggable::Port => "/ports/{}/tags",
        Taggable::SecurityGroup => "/security-groups/{}/tags",
    }
}

fn single(kind: Taggable) -> &'static str {
    match kind {
        Taggable::Network => "/networks/{}/tags/{}",
        Taggable::Subnet => "/subnets/{}/tags/{}",
        Taggable::SubnetPool => "/subnetpools/{}/tags/{}",
        Taggable::Port => "/ports/{}/tags/{}",
        Taggable::SecurityGroup => "/security-groups/{}/tags/{}",
    }
}

fn noun(kind: Taggable) -> &'static str {
    match kind {
        Taggable::Network => "network",
        Taggable::Subnet => "subnet",
        Taggable::SubnetPool => "subnetpool",
        Taggable::Port => "port",
        Taggable::SecurityGroup => "security group",
    }
}
