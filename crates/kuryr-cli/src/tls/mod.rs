//! `kuryr tls init`: all that TLS between Docker and the plugins takes, in one directory.

mod issue;
mod place;

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use self::issue::Issued;
use self::place::Fresh;
use crate::arguments::{TlsAction, TlsArguments, TlsInit};
use crate::error::Error;
use crate::output;

/// The plugins and the ports of their TLS addresses, as `kuryr.conf` and `fuxi.conf` have them by default.
const PLUGINS: [(&str, u16); 2] = [("kuryr", 23750), ("fuxi", 7879)];

pub(crate) fn run(args: &TlsArguments) -> Result<(), Error> {
    match &args.action {
        TlsAction::Init(init) => make(init),
    }
}

fn make(init: &TlsInit) -> Result<(), Error> {
    let dir = std::path::absolute(&init.dir).map_err(|source| Error::Io {
        action: "find",
        what: init.dir.clone(),
        source,
    })?;
    let issued = Issued::make(&init.hosts, init.days)?;
    // Everything appears at once or not at all, and never in place of something.
    let fresh = Fresh::begin(&dir)?;
    for (name, pair) in [("ca", &issued.authority), ("server", &issued.server), ("client", &issued.client)] {
        fresh.write(&format!("{name}.pem"), pair.certificate.as_bytes(), 0o644)?;
        fresh.write(&format!("{name}.key"), pair.key.as_bytes(), 0o600)?;
    }
    for (plugin, port) in PLUGINS {
        let host = init.hosts.first().map_or("127.0.0.1", String::as_str);
        let text = format!("{:#}\n", description(plugin, host, port, &dir));
        fresh.write(&format!("{plugin}.json"), text.as_bytes(), 0o644)?;
    }
    fresh.finish()?;
    tell(init, &dir);
    Ok(())
}

/// What Docker is told: `/etc/docker/plugins/PLUGIN.json`.
fn description(plugin: &str, host: &str, port: u16, dir: &Path) -> Value {
    let host = match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => host.to_owned(),
    };
    json!({
        "Name": plugin,
        "Addr": format!("https://{host}:{port}"),
        "TLSConfig": {
            "InsecureSkipVerify": false,
            // Without it Docker verifies nothing, whatever the line above says.
            "CAFile": dir.join("ca.pem"),
            "CertFile": dir.join("client.pem"),
            "KeyFile": dir.join("client.key"),
        },
    })
}

fn tell(init: &TlsInit, dir: &Path) {
    let at = |name: &str| dir.join(name).display().to_string();
    let names = init.hosts.join(", ");
    output::line(format_args!(
        "Made in {}: an authority, a certificate of the plugins for {names}, and one of Docker; {} days.\n\n\
         In [DEFAULT] of kuryr.conf and fuxi.conf:\n\n\
         \x20   enable_ssl = True\n\
         \x20   ssl_cert_file = {}\n\
         \x20   ssl_key_file = {}\n\
         \x20   ssl_ca_file = {}\n\n\
         Then put {} and {} into /etc/docker/plugins and restart Docker. Docker takes a socket in \
         /run/docker/plugins first: have none of that name there.\n\
         Nothing needs {}; keep it where only you find it.",
        dir.display(),
        init.days,
        at("server.pem"),
        at("server.key"),
        at("ca.pem"),
        at("kuryr.json"),
        at("fuxi.json"),
        at("ca.key"),
    ));
}
