//! Where a plugin is served by TCP, and with which certificates.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use docker_plugin::server::TlsFiles;
use oslo_config::Loaded;
use url::Url;

use super::text;
use crate::error::Error;

/// A TCP listener.
#[derive(Debug, Clone)]
pub(crate) struct Tcp {
    /// Where.
    pub(crate) address: SocketAddr,
    /// With TLS if given.
    pub(crate) tls: Option<TlsFiles>,
}

/// Of `kuryr.conf`. TCP is served where somebody asked for it: by an address of their own, or by TLS.
pub(super) fn network(loaded: &Loaded, place: &str) -> Result<Option<Tcp>, Error> {
    let tls = tls(loaded)?;
    if tls.is_none() && !loaded.is_set("DEFAULT", "kuryr_uri")? {
        return Ok(None);
    }
    Ok(Some(Tcp { address: address(loaded, "kuryr_uri", 23750, place)?, tls }))
}

/// Of `fuxi.conf`, likewise. A `fuxi_port` is an address too: the predecessor's description of the plugin names it.
pub(super) fn volume(loaded: &Loaded, place: &str) -> Result<Option<Tcp>, Error> {
    let tls = tls(loaded)?;
    let port = loaded.port("DEFAULT", "fuxi_port")?.unwrap_or(7879);
    let address = if loaded.is_set("DEFAULT", "fuxi_uri")? {
        address(loaded, "fuxi_uri", port, place)?
    } else if tls.is_some() || loaded.is_set("DEFAULT", "fuxi_port")? {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    } else {
        return Ok(None);
    };
    Ok(Some(Tcp { address, tls }))
}

fn address(loaded: &Loaded, key: &str, port: u16, place: &str) -> Result<SocketAddr, Error> {
    let uri = text(loaded, "DEFAULT", key)?;
    let refuse = |reason: &str| Error::Setting(format!("[DEFAULT] {key} = {uri} in {place}: {reason}"));
    let url = Url::parse(&uri).map_err(|e| refuse(&e.to_string()))?;
    // A port that is the scheme's own is lost in a URL.
    let port = url.port().unwrap_or(port);
    match url.host() {
        Some(url::Host::Ipv4(ip)) => Ok(SocketAddr::new(ip.into(), port)),
        Some(url::Host::Ipv6(ip)) => Ok(SocketAddr::new(ip.into(), port)),
        Some(url::Host::Domain("localhost")) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        _ => Err(refuse(&format!("an IP address of this host is needed, such as http://127.0.0.1:{port}"))),
    }
}

fn tls(loaded: &Loaded) -> Result<Option<TlsFiles>, Error> {
    if !loaded.bool("DEFAULT", "enable_ssl")? {
        return Ok(None);
    }
    let path = |key: &str| -> Result<PathBuf, Error> {
        Ok(loaded.path("DEFAULT", key)?.map(PathBuf::from).unwrap_or_default())
    };
    Ok(Some(TlsFiles {
        certificate: path("ssl_cert_file")?,
        key: path("ssl_key_file")?,
        client_authorities: loaded.path("DEFAULT", "ssl_ca_file")?.map(PathBuf::from),
    }))
}
