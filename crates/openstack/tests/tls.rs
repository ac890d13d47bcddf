//! Authorities of our own, client certificates, and what happens without them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::serve::Listener;
use common::map;
use openstack::network::Client;
use openstack::{AuthSettings, Error, Session};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of `authority` and its key.
fn leaf(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

struct Tls(TcpListener, TlsAcceptor);

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A service behind TLS; with `clients`, only for holders of its certificates.
async fn serve(authority: &Authority, clients: Option<&Authority>) -> String {
    let (certificate, key) = leaf(authority, "127.0.0.1");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(|| async { r#"{"ports": []}"# });
    let tls = Tls(listener, TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move { axum::serve(tls, router).await.unwrap() });
    url
}

fn session(url: &str, more: &[(&str, &Path)]) -> openstack::Result<Session> {
    let mut options = map(&[("auth_type", "none"), ("endpoint_override", url), ("timeout", "5")]);
    options.extend(more.iter().map(|(key, path)| ((*key).to_owned(), path.display().to_string())));
    Session::new(AuthSettings::from_keystoneauth_map("[x]", &options).unwrap())
}

async fn list(url: &str, more: &[(&str, &Path)]) -> openstack::Result<()> {
    Client::new(session(url, more)?).list_ports(&[]).await.map(drop)
}

fn write(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn h21_only_the_authority_of_cafile_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(), authority());
    let url = serve(&ours, None).await;
    let right = write(&directory, "right.pem", &ours.pem());
    let wrong = write(&directory, "wrong.pem", &other.pem());
    list(&url, &[("cafile", &right)]).await.unwrap();
    for more in [vec![("cafile", wrong.as_path())], vec![]] {
        let error = list(&url, &more).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { sent: false, .. }), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    list(&url, &[("insecure", Path::new("true"))]).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let ours = authority();
    let url = serve(&ours, Some(&ours)).await;
    let cafile = write(&directory, "ca.pem", &ours.pem());
    let (certificate, key) = leaf(&ours, "kuryr");
    let certfile = write(&directory, "cert.pem", &certificate.pem());
    let keyfile = write(&directory, "key.pem", &key.serialize_pem());
    let both = write(&directory, "both.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
    list(&url, &[("cafile", &cafile), ("certfile", &certfile), ("keyfile", &keyfile)]).await.unwrap();
    list(&url, &[("cafile", &cafile), ("certfile", &both)]).await.unwrap();
    list(&url, &[("cafile", &cafile)]).await.unwrap_err();
}

#[test]
fn files_that_do_not_fit_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let empty = write(&directory, "empty.pem", "nothing\n");
    let missing = directory.path().join("missing.pem");
    for (more, part) in [
        (vec![("cafile", missing.as_path())], "`cafile` in [x]: cannot read"),
        (vec![("cafile", empty.as_path())], "holds no PEM certificate"),
        (vec![("certfile", missing.as_path())], "`certfile` in [x]: cannot read"),
        (vec![("certfile", empty.as_path())], "are not a PEM certificate and private key"),
        (vec![("keyfile", empty.as_path())], "`keyfile` without `certfile`"),
    ] {
        let error = session("https://127.0.0.1:1", &more).unwrap_err();
        assert!(matches!(&error, Error::Config(text) if text.contains(part)), "{error}");
    }
}
