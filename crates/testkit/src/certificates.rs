//! What `kuryr tls init` made, and a client that uses it or not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::{Inside, in_netns};

/// The files in one directory.
#[derive(Debug, Clone)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Those that `kuryr tls init` made in `dir`.
    #[must_use]
    pub fn in_directory(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The certificate of `ca`, `server` or `client`.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pem"))
    }

    /// The key of `server` or `client`.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// Posts nothing to `url` from there, with or without the client's certificate; the answer's status.
    ///
    /// # Errors
    /// When the connection is refused.
    pub fn post(&self, from: &Inside, url: &str, with_certificate: bool) -> Result<u16> {
        let authority = reqwest::Certificate::from_pem(&fs::read(self.certificate("ca"))?)?;
        let mut client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .timeout(Duration::from_secs(10));
        if with_certificate {
            let mut pem = fs::read(self.certificate("client"))?;
            pem.extend(fs::read(self.key("client"))?);
            client = client.identity(reqwest::Identity::from_pem(&pem)?);
        }
        in_netns(&from.netns, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { Ok(client.build()?.post(url).send().await?.status().as_u16()) })
        })
    }
}
