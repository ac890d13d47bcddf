//! `[manila]` of `fuxi.conf` into the settings of shares.

use std::net::IpAddr;

use fuxi::share::{AccessType, Identities, ShareSettings};
use host_storage::connector::Secrets;
use host_storage::shares::Protocol;
use openstack::AuthSettings;
use oslo_config::Loaded;

use super::{credentials, text};
use crate::error::Error;

/// What shares are served with.
#[derive(Debug)]
pub(crate) struct SharesOfManila {
    /// Who we are to Manila.
    pub(crate) credentials: AuthSettings,
    /// How shares are made and used.
    pub(crate) settings: ShareSettings,
}

impl SharesOfManila {
    pub(super) fn read(
        loaded: &Loaded,
        place: &str,
        label: &str,
        host: &str,
        my_ip: Option<IpAddr>,
    ) -> Result<Self, Error> {
        let non_empty = |key: &str| -> Result<Option<String>, Error> {
            Ok(Some(text(loaded, "manila", key)?).filter(|t| !t.is_empty()))
        };
        Ok(Self {
            credentials: who(loaded, place)?,
            settings: ShareSettings {
                default_protocol: protocol(loaded)?,
                default_share_type: non_empty("share_type")?,
                default_share_network: non_empty("share_network")?,
                default_availability_zone: non_empty("availability_zone")?,
                host: host.to_owned(),
                my_ip,
                identities: Identities {
                    types: types(loaded, place)?,
                    cert: non_empty("access_to_for_cert")?,
                    cephx: Some(non_empty("access_to_for_cephx")?.unwrap_or_else(|| ceph_id(label, host))),
                    cifs: Secrets { user: non_empty("cifs_user")?, password: non_empty("cifs_password")? },
                },
                ..ShareSettings::default()
            },
        })
    }
}

/// Its own section, else the one of Cinder: one account for both is the usual case.
fn who(loaded: &Loaded, place: &str) -> Result<AuthSettings, Error> {
    let section = loaded.section("manila", "auth_section")?;
    let has = |group: &str| -> Result<bool, Error> {
        Ok(loaded.get_str(group, "auth_url")?.is_some_and(|url| !url.is_empty()))
    };
    let group = if !has(&section)? && has("cinder")? { "cinder" } else { "manila" };
    credentials::read(loaded, group, place)
}

fn protocol(loaded: &Loaded) -> Result<Protocol, Error> {
    Ok(Protocol::of_name(&text(loaded, "manila", "share_proto")?).unwrap_or(Protocol::Nfs))
}

fn types(loaded: &Loaded, place: &str) -> Result<std::collections::BTreeMap<Protocol, AccessType>, Error> {
    let mut types = std::collections::BTreeMap::new();
    for (name, value) in loaded.dict("manila", "proto_access_type_map")? {
        let refused = |why: &str| {
            Error::Setting(format!("[manila] proto_access_type_map = {name}:{value} in {place}: {why}"))
        };
        let protocol =
            Protocol::of_name(name).ok_or_else(|| refused("use NFS, CIFS, CEPHFS or GLUSTERFS"))?;
        let access_type = AccessType::of_name(value).ok_or_else(|| refused("use ip, user, cert or cephx"))?;
        if !access_type.fits(protocol) {
            return Err(refused("shares of this protocol let nobody in that way"));
        }
        types.insert(protocol, access_type);
    }
    Ok(types)
}

/// Ceph takes no dots.
fn ceph_id(label: &str, host: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    format!("{label}-{host}").chars().map(clean).take(64).collect()
}

/// What the file asks for and cannot be.
pub(super) fn unserved(loaded: &Loaded, place: &str, my_ip: Option<&str>) -> Result<Vec<String>, Error> {
    let known = my_ip.is_some_and(|ip| ip.parse::<IpAddr>().is_ok());
    let mut unserved = Vec::new();
    if protocol(loaded)? == Protocol::Nfs && !known {
        unserved.push(format!(
            "[DEFAULT] my_ip in {place} must be this host's address towards the storage: shares over NFS let hosts in \
             by their addresses"
        ));
    }
    Ok(unserved)
}
