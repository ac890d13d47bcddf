//! A TLS client with a certificate or none.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::rig::PATIENCE;

/// Whom a client says it is: files of a certificate and its key.
pub(crate) struct Identity(Option<(PathBuf, PathBuf)>);

impl Identity {
    pub(crate) fn of(dir: &Path, name: &str) -> Self {
        Self(Some((dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")))))
    }

    pub(crate) fn nobody() -> Self {
        Self(None)
    }

    /// A client of an authority, in `dir`: of one made here, or of the one whose key is `dir/ca.key`.
    pub(crate) fn make(dir: &Path, name: &str, foreign: bool, until_year: i32) -> Self {
        let (key, params) = if foreign {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (KeyPair::generate().unwrap(), params)
        } else {
            let key = KeyPair::from_pem(&std::fs::read_to_string(dir.join("ca.key")).unwrap()).unwrap();
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(rcgen::DnType::CommonName, "kuryr authority");
            (key, params)
        };
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_after = date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&own, &issuer).unwrap();
        std::fs::write(dir.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(dir.join(format!("{name}.key")), own.serialize_pem()).unwrap();
        Self::of(dir, name)
    }

    /// Connects, trusting the authority in that file.
    pub(crate) fn connect(
        &self,
        authority: &Path,
        address: SocketAddr,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match &self.0 {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(certificate).unwrap()],
                    PrivateKeyDer::from_pem_file(key).unwrap(),
                )
                .unwrap(),
        };
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::from(address.ip());
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
    }

    /// The answer to `/Plugin.Activate`.
    pub(crate) fn activate(&self, authority: &Path, address: SocketAddr) -> io::Result<String> {
        let mut stream = self.connect(authority, address);
        let request = format!(
            "POST /Plugin.Activate HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        let mut text = String::new();
        match stream.read_to_string(&mut text) {
            Ok(_) => {}
            // Closed without the word of TLS for it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !text.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(text)
    }
}
