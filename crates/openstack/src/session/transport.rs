//! The HTTP client: trust, client certificate, connection reuse.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, redirect};

use crate::settings::Tls;
use crate::{Error, Result};

const USER_AGENT: &str = concat!("kuryr/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Below the minute after which load balancers usually drop idle connections.
const IDLE: Duration = Duration::from_secs(50);

/// Where distributions keep the authorities they trust.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

pub(super) fn client(tls: &Tls, origin: &str) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        // A redirect could carry the token to another host.
        .redirect(redirect::Policy::none())
        // Our own roots only: a client must also come up in a root directory that has no certificates at all.
        .tls_certs_only(roots(tls, origin)?);
    if let Some(identity) = identity(tls, origin)? {
        builder = builder.identity(identity);
    }
    if tls.insecure {
        tracing::warn!(
            origin,
            "`insecure` is set: the certificates of the cloud are not checked, anyone in between can read the password"
        );
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|e| {
        Error::Config(format!("cannot set up TLS from {origin}: {}", super::flatten(&e.without_url())))
    })
}

fn roots(tls: &Tls, origin: &str) -> Result<Vec<Certificate>> {
    if let Some(path) = &tls.cafile {
        let pem = read(path, "cafile", origin)?;
        let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if found.is_empty() {
            return Err(Error::Config(format!(
                "`cafile` in {origin}: {} holds no PEM certificate",
                path.display()
            )));
        }
        return Ok(found);
    }
    if tls.insecure {
        return Ok(Vec::new());
    }
    let pem = SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read(path).ok());
    Ok(pem.and_then(|pem| Certificate::from_pem_bundle(&pem).ok()).unwrap_or_default())
}

fn identity(tls: &Tls, origin: &str) -> Result<Option<Identity>> {
    let Some(cert) = &tls.certfile else {
        return match &tls.keyfile {
            None => Ok(None),
            Some(_) => Err(Error::Config(format!("`keyfile` without `certfile` in {origin}: set both"))),
        };
    };
    let mut pem = read(cert, "certfile", origin)?;
    if let Some(key) = &tls.keyfile {
        pem.push(b'\n');
        pem.extend(read(key, "keyfile", origin)?);
    }
    // The cause is not repeated: it could quote the key.
    let refuse = |_| {
        Error::Config(format!(
            "`certfile` in {origin}: {} and its key are not a PEM certificate and private key",
            cert.display()
        ))
    };
    Identity::from_pem(&pem).map(Some).map_err(refuse)
}

fn read(path: &Path, key: &str, origin: &str) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|e| Error::Config(format!("`{key}` in {origin}: cannot read {}: {e}", path.display())))
}
