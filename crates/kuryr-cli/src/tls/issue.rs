//! An authority and the two certificates it signs.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::error::Error;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate and its key, in PEM form.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// What [`Issued::make`] makes.
pub(super) struct Issued {
    pub(super) authority: Pair,
    pub(super) server: Pair,
    pub(super) client: Pair,
}

impl Issued {
    /// New keys; the server's certificate is for `hosts`, names or addresses, and all are valid for `days`.
    pub(super) fn make(hosts: &[String], days: u32) -> Result<Self, Error> {
        issue(hosts, days)
            .map_err(|error| Error::Certificates { hosts: hosts.join(", "), reason: error.to_string() })
    }
}

fn issue(hosts: &[String], days: u32) -> Result<Issued, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = named("kuryr authority", Vec::new(), days)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = authority.self_signed(&authority_key)?.pem();
    let pem = authority_key.serialize_pem();
    let issuer = Issuer::new(authority, authority_key);
    // Neither can stand in for the other: who has the plugins' key is not let in as Docker.
    let signed = |name: &str, hosts: Vec<String>, purpose| -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = named(name, hosts, days)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        Ok(Pair { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
    };
    Ok(Issued {
        server: signed("kuryr plugins", hosts.to_vec(), ExtendedKeyUsagePurpose::ServerAuth)?,
        client: signed("docker", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth)?,
        authority: Pair { certificate, key: pem },
    })
}

fn named(name: &str, hosts: Vec<String>, days: u32) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    // A day back, for peers whose clocks are behind.
    params.not_before = epoch + now.saturating_sub(DAY);
    params.not_after = epoch + now + DAY * days;
    Ok(params)
}
