//! TCP with and without TLS.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use docker_plugin::{
    Error,
    server::{self, Listener, OpenTcp, ServerOptions, TlsFiles},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, DOCKER, request},
    drivers::Recorder,
    rig,
};

pub(crate) const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// An authority, a server's certificate and two clients', one of an authority nobody knows.
pub(crate) struct Certificates {
    directory: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let certificates = Self { directory: tempfile::tempdir().unwrap() };
        for authority in ["ca", "strangers"] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            certificates.write(authority, &params.self_signed(&key).unwrap().pem(), &key.serialize_pem());
            let issuer = Issuer::new(params, key);
            for name in ["server", "client"] {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
                let certificate = params.signed_by(&key, &issuer).unwrap();
                certificates.write(&format!("{authority}-{name}"), &certificate.pem(), &key.serialize_pem());
            }
        }
        certificates
    }

    pub(crate) fn write(&self, name: &str, certificate: &str, key: &str) {
        fs::write(self.certificate(name), certificate).unwrap();
        fs::write(self.key(name), key).unwrap();
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.pem"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.key"))
    }

    pub(crate) fn files(&self, mutual: bool) -> TlsFiles {
        TlsFiles {
            certificate: self.certificate("ca-server"),
            key: self.key("ca-server"),
            client_authorities: mutual.then(|| self.certificate("ca")),
        }
    }

    pub(crate) fn connector(
        &self,
        client: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsConnector {
        self.connector_trusting("ca", client, versions)
    }

    pub(crate) fn connector_trusting(
        &self,
        authority: &str,
        client: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate(authority)).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(self.certificate(name)).unwrap()],
                    PrivateKeyDer::from_pem_file(self.key(name)).unwrap(),
                )
                .unwrap(),
        };
        TlsConnector::from(Arc::new(config))
    }
}

pub(crate) async fn serve(listener: Listener, options: ServerOptions) -> SocketAddr {
    let address = listener.local_addr().unwrap();
    let plugin = rig::plugin(&Arc::new(Recorder::default())).build();
    tokio::spawn(server::serve(plugin, vec![listener], options, CancellationToken::new()));
    address
}

pub(crate) async fn connect(
    address: SocketAddr,
    connector: &TlsConnector,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(address).await?;
    connector.connect(ServerName::from(address.ip()), stream).await.map(Client::new)
}

/// True if a call over this connection is answered; with TLS 1.3 a client learns late that it is not wanted.
pub(crate) async fn is_served(address: SocketAddr, connector: &TlsConnector) -> bool {
    let Ok(mut client) = connect(address, connector).await else { return false };
    let sent = client.try_send(&request("/Plugin.Activate", DOCKER, "")).await;
    sent.is_ok() && client.answer().await.is_some_and(|answer| answer.status == 200)
}

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

#[tokio::test]
async fn without_client_certificates_tls_serves_anybody_who_trusts_it() {
    let certificates = Certificates::new();
    let address = serve(
        Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &certificates.files(false)).unwrap(),
        ServerOptions::default(),
    )
    .await;
    assert!(is_served(address, &certificates.connector(None, BOTH)).await);
    assert!(is_served(address, &certificates.connector(None, &[&rustls::version::TLS12])).await);
    // As Docker sends it over TLS.
    let mut client = connect(address, &certificates.connector(None, BOTH)).await.unwrap();
    let host = address.to_string();
    let headers =
        [("Host", Some(host.as_str())), ("Content-Length", None), ("Accept-Encoding", Some("gzip"))];
    for _ in 0..2 {
        client.send(&request("/VolumeDriver.Create", &headers, r#"{"Name":"v"}"#)).await;
        assert_eq!(client.answer().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn with_client_certificates_only_those_of_the_authority_are_served() {
    let certificates = Certificates::new();
    let address = serve(
        Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &certificates.files(true)).unwrap(),
        ServerOptions::default(),
    )
    .await;
    for versions in [BOTH, &[&rustls::version::TLS12]] {
        assert!(is_served(address, &certificates.connector(Some("ca-client"), versions)).await);
        assert!(!is_served(address, &certificates.connector(None, versions)).await, "no certificate");
        assert!(
            !is_served(address, &certificates.connector(Some("strangers-client"), versions)).await,
            "a stranger"
        );
    }
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_not_served() {
    let certificates = Certificates::new();
    let address = serve(
        Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &certificates.files(false)).unwrap(),
        ServerOptions::default(),
    )
    .await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &request("/Plugin.Activate", DOCKER, "")).await.unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(!String::from_utf8_lossy(&bytes).contains("Implements"));
}

#[tokio::test]
async fn a_client_silent_in_the_handshake_is_cut_off_and_stops_nobody() {
    let certificates = Certificates::new();
    let options = ServerOptions { handshake_timeout: Duration::from_secs(2), ..ServerOptions::default() };
    let address =
        serve(Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &certificates.files(false)).unwrap(), options)
            .await;
    let start = Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert!(is_served(address, &certificates.connector(None, BOTH)).await);
    assert!(start.elapsed() < Duration::from_secs(2), "served only after {:?}", start.elapsed());
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(crate::client::PATIENCE, silent.read_to_end(&mut bytes))
        .await
        .expect("not cut off");
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[test]
fn files_that_are_of_no_use_are_named_and_never_quoted() {
    let certificates = Certificates::new();
    let good = certificates.files(true);
    let absent = certificates.directory.path().join("absent.pem");
    let rubbish = certificates.directory.path().join("rubbish.pem");
    fs::write(&rubbish, "-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n").unwrap();
    for bad in [&absent, &rubbish] {
        for files in [
            TlsFiles { certificate: bad.clone(), ..good.clone() },
            TlsFiles { key: bad.clone(), ..good.clone() },
            TlsFiles { client_authorities: Some(bad.clone()), ..good.clone() },
        ] {
            let error = Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &files).unwrap_err().to_string();
            assert!(error.contains(&bad.display().to_string()) && !error.contains("secret"), "{error}");
        }
    }
    let mixed = TlsFiles { key: certificates.key("ca-client"), ..good };
    assert!(
        matches!(Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &mixed), Err(Error::Tls { .. })),
        "key of another certificate"
    );
}

#[tokio::test]
async fn h20_plain_tcp_serves_loopback_only_unless_told_otherwise() {
    let address =
        serve(Listener::tcp(LOOPBACK, OpenTcp::LoopbackOnly).unwrap(), ServerOptions::default()).await;
    let mut client = Client::new(TcpStream::connect(address).await.unwrap());
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let error = Listener::tcp(address.parse().unwrap(), OpenTcp::LoopbackOnly).unwrap_err();
        assert!(matches!(error, Error::PlainTcpRefused { .. }), "{address}: {error}");
    }
    assert!(Listener::tcp("0.0.0.0:0".parse().unwrap(), OpenTcp::Anybody).is_ok());
}

#[tokio::test]
async fn tls_for_everybody_needs_client_certificates_unless_told_otherwise() {
    let certificates = Certificates::new();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let listen =
            |open, mutual| Listener::tls(address.parse().unwrap(), open, &certificates.files(mutual));
        let error = listen(OpenTcp::LoopbackOnly, false).unwrap_err();
        assert!(matches!(error, Error::OpenTlsRefused { .. }), "{address}: {error}");
        assert!(listen(OpenTcp::LoopbackOnly, true).is_ok() && listen(OpenTcp::Anybody, false).is_ok());
    }
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = Listener::tcp(LOOPBACK, OpenTcp::LoopbackOnly).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listener::tcp(address, OpenTcp::LoopbackOnly).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}
