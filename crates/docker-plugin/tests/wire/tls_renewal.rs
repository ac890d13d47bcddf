//! Certificates that change while they are in use.

use std::{fs, net::SocketAddr};

use docker_plugin::server::{Listener, OpenTcp, ServerOptions, TlsFiles};

use crate::{
    client::{DOCKER, request},
    tls::{BOTH, Certificates, LOOPBACK, connect, is_served, serve},
};

/// Files of their own that the certificates of a name are put into.
struct InUse {
    certificates: Certificates,
    files: TlsFiles,
}

impl InUse {
    fn new() -> Self {
        let certificates = Certificates::new();
        let files = TlsFiles {
            certificate: certificates.certificate("used"),
            key: certificates.key("used"),
            client_authorities: Some(certificates.certificate("used-ca")),
        };
        let own = Self { certificates, files };
        own.put("ca", "ca-server");
        own
    }

    fn put(&self, authority: &str, name: &str) {
        let copy = |from, to| {
            // As careful tools do it: the name changes hands in one step.
            let fresh = self.certificates.certificate("fresh");
            fs::copy(from, &fresh).unwrap();
            fs::rename(&fresh, to).unwrap();
        };
        copy(self.certificates.certificate(name), &self.files.certificate);
        copy(self.certificates.key(name), &self.files.key);
        copy(self.certificates.certificate(authority), self.files.client_authorities.as_ref().unwrap());
    }

    async fn serve(&self) -> SocketAddr {
        let listener = Listener::tls(LOOPBACK, OpenTcp::LoopbackOnly, &self.files).unwrap();
        serve(listener, ServerOptions::default()).await
    }

    /// Whether a client that trusts `authority` and shows `client` is served.
    async fn serves(&self, address: SocketAddr, authority: &str, client: &str) -> bool {
        is_served(address, &self.certificates.connector_trusting(authority, Some(client), BOTH)).await
    }
}

#[tokio::test]
async fn new_certificates_meet_new_connections_and_leave_the_others_alone() {
    let used = InUse::new();
    let address = used.serve().await;
    let connector = used.certificates.connector(Some("ca-client"), BOTH);
    let mut standing = connect(address, &connector).await.unwrap();
    standing.send(&request("/Plugin.Activate", DOCKER, "")).await;
    assert_eq!(standing.answer().await.unwrap().status, 200);

    used.put("strangers", "strangers-server");
    assert!(used.serves(address, "strangers", "strangers-client").await, "the new authority is not known");
    assert!(!used.serves(address, "ca", "ca-client").await, "the old certificate is still shown");
    assert!(!used.serves(address, "strangers", "ca-client").await, "the old authority is still admitted");
    standing.send(&request("/Plugin.Activate", DOCKER, "")).await;
    assert_eq!(standing.answer().await.unwrap().status, 200, "a connection that stood was dropped");
}

#[tokio::test]
async fn certificates_that_are_of_no_use_leave_the_ones_before_in_place() {
    let used = InUse::new();
    let address = used.serve().await;
    let good = fs::read(&used.files.certificate).unwrap();
    let half = &good[..good.len() / 2];
    let other = fs::read(used.certificates.certificate("strangers-server")).unwrap();
    for broken in [&b""[..], half, &other] {
        fs::write(&used.files.certificate, broken).unwrap();
        assert!(used.serves(address, "ca", "ca-client").await, "{} bytes", broken.len());
    }
    fs::remove_file(&used.files.key).unwrap();
    assert!(used.serves(address, "ca", "ca-client").await, "without a key");
    // Certificate and key are two files: between their changes they do not belong together.
    used.put("strangers", "strangers-server");
    assert!(used.serves(address, "strangers", "strangers-client").await, "put right, but not taken up");
}
