//! An authority with a server's and a client's certificate, and a client that uses them or not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::{Inside, in_netns};

/// Files in one directory; the server is `127.0.0.1`.
#[derive(Debug, Clone)]
pub struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn make(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let certificates = Self { dir: dir.to_owned() };
        let named = |name: &str, addresses: Vec<String>| -> Result<CertificateParams> {
            let mut params = CertificateParams::new(addresses)?;
            params.distinguished_name.push(DnType::CommonName, name);
            Ok(params)
        };
        let key = KeyPair::generate()?;
        let mut params = named("authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(certificates.certificate("ca"), params.self_signed(&key)?.pem())?;
        let authority = Issuer::new(params, key);
        for name in ["server", "client"] {
            let key = KeyPair::generate()?;
            let certificate = named(name, vec!["127.0.0.1".to_owned()])?.signed_by(&key, &authority)?;
            fs::write(certificates.certificate(name), certificate.pem())?;
            fs::write(certificates.key(name), key.serialize_pem())?;
        }
        Ok(certificates)
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
