//! Shares, their metadata and their export locations.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use super::{COUNT, Client, EXPORTS, ExportLocation, NewShare, Share, ShareType, paging};
use crate::literal::literal;
use crate::session::Call;
use crate::{Result, page};

impl Client {
    /// Shares of this project that carry all of `metadata`; in detail, to the last page. Those that other projects
    /// made public are never among them.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_shares(&self, metadata: &[(&str, &str)]) -> Result<Vec<Share>> {
        let (call, version) = self.call(EXPORTS, Method::GET, "/shares/detail", &[], "list shares").await?;
        let wanted = (!metadata.is_empty()).then(|| literal(metadata));
        let filters: Vec<_> = wanted.as_deref().map(|wanted| ("metadata", wanted)).into_iter().collect();
        let found = paging::all(&self.session, call, "shares", &filters, version >= COUNT).await?;
        let own = self.session.project_id().await?;
        let is_own = |share: &Share| own.as_ref().is_none_or(|own| share.project_id == *own);
        Ok(found.into_iter().filter(is_own).collect())
    }

    /// The project that our token is for, if it is for one. Asks nothing while the token is good.
    ///
    /// # Errors
    /// Those of getting a token.
    pub async fn project_id(&self) -> Result<Option<String>> {
        self.session.project_id().await
    }

    /// One share. May be another project's, if that is public.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_share(&self, id: &str) -> Result<Share> {
        let (call, _) = self.call(EXPORTS, Method::GET, "/shares/{}", &[id], "get share").await?;
        page::one(&self.session, &call, "share").await
    }

    /// Orders a share; it is `creating` at first. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_over_quota`]; status 400 if there is no default type or the type asks for
    /// a share network.
    pub async fn create_share(&self, share: &NewShare) -> Result<Share> {
        let what = format!("create share {}", share.name);
        let (call, _) = self.call(EXPORTS, Method::POST, "/shares", &[], &what).await?;
        page::one(&self.session, &call.json(&json!({ "share": share }))?, "share").await
    }

    /// Orders a share's deletion, with its rules. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; status 403 while its status forbids it or it has snapshots.
    pub async fn delete_share(&self, id: &str) -> Result<()> {
        let (call, _) = self.call(EXPORTS, Method::DELETE, "/shares/{}", &[id], "delete share").await?;
        page::gone_is_success(self.session.send(&call).await)
    }

    /// Sets these keys and leaves the others.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such share.
    pub async fn merge_share_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        let what = "set metadata of share";
        let (call, _) = self.call(EXPORTS, Method::POST, "/shares/{}/metadata", &[id], what).await?;
        let call = call.json(&json!({ "metadata": metadata }))?.repeatable();
        self.session.send(&call).await.map(drop)
    }

    /// Removes a key; one that is not there is removed, and so is one of a share that is not there.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn delete_share_metadata_key(&self, id: &str, key: &str) -> Result<()> {
        let what = "delete metadata key of share";
        let (call, _) =
            self.call(EXPORTS, Method::DELETE, "/shares/{}/metadata/{}", &[id, key], what).await?;
        page::gone_is_success(self.session.send(&call).await)
    }

    /// Orders a share's growth to `gib` GiB, in use or not.
    ///
    /// # Errors
    /// Those of any call; status 400 if it has that size already or a status that forbids it, 403 if that is more than
    /// the quota allows.
    pub async fn extend_share(&self, id: &str, gib: u64) -> Result<()> {
        let call = self.share_action(EXPORTS, id, "extend share").await?;
        let call = call.json(&json!({ "extend": { "new_size": gib } }))?;
        self.session.send(&call).await.map(drop)
    }

    /// Where the share is mounted from; nothing before it is `available`.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is no such share.
    pub async fn list_export_locations(&self, share_id: &str) -> Result<Vec<ExportLocation>> {
        let what = "list export locations of share";
        let template = "/shares/{}/export_locations";
        let (call, _) = self.call(EXPORTS, Method::GET, template, &[share_id], what).await?;
        page::all(&self.session, call, "export_locations").await
    }

    /// The types this project may use.
    ///
    /// # Errors
    /// Those of any call.
    pub async fn list_share_types(&self) -> Result<Vec<ShareType>> {
        let (call, _) = self.call(EXPORTS, Method::GET, "/types", &[], "list share types").await?;
        page::all(&self.session, call, "share_types").await
    }

    /// `POST /shares/{id}/action`
    pub(super) async fn share_action(
        &self,
        least: crate::session::Microversion,
        id: &str,
        what: &str,
    ) -> Result<Call> {
        Ok(self.call(least, Method::POST, "/shares/{}/action", &[id], what).await?.0)
    }
}
