//! Where an image of a Ceph cluster is, as Cinder says it.
//!
//! Source: os-brick's RBD connector, whose keys are `name` (`pool/image`), `hosts`, `ports`, `cluster_name`,
//! `auth_enabled` and `auth_username`. A `keyring` is never believed (OSSN-0085): the key is in a file of this host.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// An image of a Ceph cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RbdLink {
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub image: String,
    /// Addresses of the monitors, with ports.
    pub monitors: Vec<String>,
    /// The cluster's name, which is that of its files in `/etc/ceph`.
    pub cluster: String,
    /// The client, without `client.`; `None` where the cluster asks for none.
    pub user: Option<String>,
}

impl RbdLink {
    pub(in crate::connector) fn parse(info: &Map<String, Value>, volume: &str) -> Result<Self> {
        let refused = |reason: String| Error::Connection { volume: volume.to_owned(), reason };
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = text("name");
        let (pool, image) = match name.split_once('/') {
            Some((pool, image)) if is_word(pool) && is_word(image) => (pool.to_owned(), image.to_owned()),
            _ => return Err(refused(format!("`{name}` is no pool/image"))),
        };
        let list = |key: &str| match info.get(key) {
            Some(Value::Array(all)) => all.iter().map(plain).collect(),
            Some(one) => vec![plain(one)],
            None => Vec::new(),
        };
        let (hosts, ports) = (list("hosts"), list("ports"));
        let mut monitors = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let port = ports.get(index).map(String::as_str).unwrap_or("6789");
            monitors.push(
                monitor(host, port)
                    .ok_or_else(|| refused(format!("`{host}` port `{port}` is no monitor's address")))?,
            );
        }
        if monitors.is_empty() {
            return Err(refused("no monitor is named".into()));
        }
        let cluster = Some(text("cluster_name")).filter(|c| !c.is_empty()).unwrap_or_else(|| "ceph".into());
        let user = Some(text("auth_username")).filter(|u| !u.is_empty());
        if !is_word(&cluster) || user.as_deref().is_some_and(|u| !is_word(u)) {
            return Err(refused(format!("`{cluster}` and `{user:?}` are no names of a cluster and a user")));
        }
        let asks = info.get("auth_enabled").and_then(Value::as_bool) != Some(false);
        if asks && user.is_none() {
            return Err(refused(
                "its cluster asks for a user, and none is named; set rbd_user in cinder.conf".into(),
            ));
        }
        Ok(Self { pool, image, monitors, cluster, user: user.filter(|_| asks) })
    }

    /// `pool/image`
    pub(super) fn spec(&self) -> String {
        format!("{}/{}", self.pool, self.image)
    }
}

/// It becomes an argument, a part of a path, and a part of `pool/image@snapshot`.
fn is_word(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    !text.is_empty() && !text.starts_with(['-', '.']) && text.chars().all(fits)
}

fn monitor(host: &str, port: &str) -> Option<String> {
    let port: u16 = port.parse().ok()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V6(address)) => Some(format!("[{address}]:{port}")),
        Ok(IpAddr::V4(address)) => Some(format!("{address}:{port}")),
        Err(_) => is_word(host).then(|| format!("{host}:{port}")),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}
