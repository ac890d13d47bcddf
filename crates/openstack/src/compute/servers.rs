//! Servers.

use http::Method;

use super::{Client, Server};
use crate::{Result, page};

impl Client {
    /// One server.
    ///
    /// # Errors
    /// Those of any call; [`crate::Error::is_not_found`] if there is none in this project.
    pub async fn get_server(&self, id: &str) -> Result<Server> {
        let call = self.call(Method::GET, "/servers/{}", &[id], format!("get server {id}"), None).await?;
        page::one(&self.session, &call, "server").await
    }
}
