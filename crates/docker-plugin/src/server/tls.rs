//! TLS from files: a certificate, its key and, to admit only known clients, the authorities of theirs.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio_rustls::TlsAcceptor;

use crate::{Error, error::Result};

/// PEM files of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
    /// Authorities of client certificates; with it a client without a certificate of theirs is turned away.
    pub client_authorities: Option<PathBuf>,
}

impl TlsFiles {
    fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.certificate, &self.key].into_iter().chain(&self.client_authorities).map(PathBuf::as_path)
    }
}

/// The certificates of a TLS listener, read again when their files have changed.
///
/// Connections that stand are not touched; each new one is met with what the files hold then. Files that cannot be used
/// leave in place what was read before.
#[derive(Debug, Clone)]
pub struct Certificates {
    source: Arc<Source>,
}

struct Source {
    files: TlsFiles,
    read: Mutex<Read>,
}

struct Read {
    config: Arc<ServerConfig>,
    /// The files as they were just before they were read last, with or without success.
    files: Vec<Option<Stamp>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Source").field(&self.files).finish()
    }
}

impl Certificates {
    pub(super) fn read(files: &TlsFiles) -> Result<Self> {
        let stamps = stamps(files);
        let read = Mutex::new(Read { config: config(files)?, files: stamps });
        Ok(Self { source: Arc::new(Source { files: files.clone(), read }) })
    }

    /// Reads the files if they have changed. Blocks as long as it takes to read them.
    pub fn refresh(&self) {
        let mut read = self.source.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.source.files);
        if now == read.files {
            return;
        }
        // A file that changes while it is read has another stamp the next time.
        read.files = now;
        let certificate = self.source.files.certificate.display();
        match config(&self.source.files) {
            Ok(config) => {
                read.config = config;
                tracing::info!(%certificate, "changed certificates are in use for new connections");
            }
            Err(error) => tracing::warn!(
                %certificate,
                %error,
                "changed certificates are of no use, the ones read before stay in use"
            ),
        }
    }

    /// What meets the next connection.
    pub(super) async fn acceptor(&self) -> TlsAcceptor {
        let own = self.clone();
        // If the runtime is ending there is nobody to be served any more; what was read before will do.
        let _ = tokio::task::spawn_blocking(move || own.refresh()).await;
        let read = self.source.read.lock().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(read.config.clone())
    }

    /// True if clients have to show a certificate.
    pub(super) fn know_clients(&self) -> bool {
        self.source.files.client_authorities.is_some()
    }
}

/// What changes when a file is written or replaced.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

fn stamps(files: &TlsFiles) -> Vec<Option<Stamp>> {
    let stamp = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some(Stamp {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    };
    files.paths().map(stamp).collect()
}

/// A TLS server of `files`, TLS 1.2 and 1.3.
fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unusable = |reason: String| Error::Tls { reason };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match &files.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut authorities = RootCertStore::empty();
            for certificate in certificates(path)? {
                authorities.add(certificate).map_err(|error| tls_file(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
                .build()
                .map_err(|error| tls_file(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| pem_error(&files.key, &error))?;
    let mut config = builder
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(|error| unusable(error.to_string()))?;
    // A resumed session would be that of a client whose certificate has expired meanwhile.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_error(path, &error))?;
    if found.is_empty() { Err(tls_file(path, "it has no certificate")) } else { Ok(found) }
}

fn pem_error(path: &Path, error: &pem::Error) -> Error {
    match error {
        pem::Error::Io(error) => tls_file(path, error),
        pem::Error::NoItemsFound => tls_file(path, "it has no key"),
        // The others may quote a line of the file, which may be that of a key.
        _ => tls_file(path, "it is not in pem form"),
    }
}

fn tls_file(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::TlsFile { path: path.to_owned(), reason: reason.to_string() }
}

/// Why a handshake failed, in words for whoever set up the peer.
pub(super) fn explain(error: &io::Error) -> String {
    use CertificateError as Bad;
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let text = match cause {
        Some(rustls::Error::InvalidMessage(_)) => {
            "it does not speak tls; if it is Docker, its description of the plugin needs an address with https://"
        }
        Some(rustls::Error::NoCertificatesPresented) => {
            "it shows no client certificate; if it is Docker, its description of the plugin needs CertFile and KeyFile"
        }
        Some(rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. })) => {
            "its client certificate has expired, renew it"
        }
        Some(rustls::Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. })) => {
            "its client certificate is not valid yet, check the clocks"
        }
        Some(rustls::Error::InvalidCertificate(Bad::UnknownIssuer)) => {
            "its client certificate is of an authority that is not admitted here"
        }
        Some(rustls::Error::InvalidCertificate(Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. })) => {
            "its certificate is not one for clients"
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            return format!(
                "it refuses our certificate ({alert:?}), check its CAFile and the names in our certificate"
            );
        }
        Some(rustls::Error::PeerIncompatible(reason)) => {
            return format!("it offers nothing we accept ({reason:?}), tls 1.2 or 1.3 is needed");
        }
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            "it went away"
        }
        _ => return error.to_string(),
    };
    text.to_owned()
}
