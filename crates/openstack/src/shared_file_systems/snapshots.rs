//! Snapshots of shares.

use http::Method;
use serde_json::json;

use super::{Client, EXPORTS, NewShareSnapshot, ShareSnapshot, paging};
use crate::{Result, page};

impl Client {
    /// Snapshots of a share, or of all shares of this project; in detail, to the last page.
    ///
    /// # Errors
    /// Those of any call, see [`crate::Error`].
    pub async fn list_share_snapshots(&self, share_id: Option<&str>) -> Result<Vec<ShareSnapshot>> {
        let (call, _) =
            self.call(EXPORTS, Method::GET, "/snapshots/detail", &[], "list share snapshots").await?;
        let filters: Vec<_> = share_id.map(|id| ("share_id", id)).into_iter().collect();
        paging::all(&self.session, call, "snapshots", &filters, false).await
    }

    /// One snapshot.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none.
    pub async fn get_share_snapshot(&self, id: &str) -> Result<ShareSnapshot> {
        let (call, _) = self.call(EXPORTS, Method::GET, "/snapshots/{}", &[id], "get share snapshot").await?;
        page::one(&self.session, &call, "snapshot").await
    }

    /// Orders a snapshot; it is `creating` at first. Not repeated once it may have been executed.
    ///
    /// # Errors
    /// Those of any call; status 400 if the share is not available, 422 if its type has no snapshots;
    /// [`crate::Error::is_over_quota`].
    pub async fn create_share_snapshot(&self, snapshot: &NewShareSnapshot) -> Result<ShareSnapshot> {
        let what = format!("create snapshot of share {}", snapshot.share_id);
        let (call, _) = self.call(EXPORTS, Method::POST, "/snapshots", &[], &what).await?;
        page::one(&self.session, &call.json(&json!({ "snapshot": snapshot }))?, "snapshot").await
    }

    /// Orders a snapshot's deletion. One that is not there is deleted.
    ///
    /// # Errors
    /// Those of any call; status 400 while its status forbids it.
    pub async fn delete_share_snapshot(&self, id: &str) -> Result<()> {
        let (call, _) =
            self.call(EXPORTS, Method::DELETE, "/snapshots/{}", &[id], "delete share snapshot").await?;
        page::gone_is_success(self.session.send(&call).await)
    }
}
