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
    // What it borrows from, the section of Cinder may borrow itself.
    let of_cinder = loaded.section("cinder", "auth_section")?;
    let group = if !has(&section)? && has(&of_cinder)? { "cinder" } else { "manila" };
    credentials::read_from(loaded, "manila", group, place)
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

/// Ceph takes no dots, and what is left of two hosts' names may be the same, or cut off the same: the end tells them apart.
fn ceph_id(label: &str, host: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let readable: String = format!("{label}-{host}").chars().map(clean).take(47).collect();
    format!("{readable}-{:016x}", fnv1a(format!("{label}\0{host}").as_bytes()))
}

/// The 64-bit hash FNV-1a, which no release of a library can change: the id must be the same after each upgrade.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(file: &str) -> AuthSettings {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fuxi.conf");
        std::fs::write(&path, file).unwrap();
        let found = oslo_config::Found { files: vec![path], dirs: Vec::new() };
        let loaded = oslo_config::Loader::new(&oslo_config::schemas::fuxi()).found(found).load().unwrap();
        who(&loaded, "fuxi.conf").unwrap()
    }

    const ACCOUNT: &str = "auth_url = http://keystone/v3\nusername = u\npassword = p\nproject_name = p\n\
                           user_domain_id = default\nproject_domain_id = default\n";

    #[test]
    fn manila_borrows_the_account_of_cinder_and_not_its_endpoint() {
        let cinder = "region_name = of-cinder\nendpoint_override = http://cinder/v3\n";
        let borrowed = session(&format!("[cinder]\n{ACCOUNT}{cinder}"));
        assert_eq!(borrowed.auth_url.unwrap().host_str(), Some("keystone"));
        assert_eq!(borrowed.region, None);
        assert!(borrowed.endpoint_overrides.is_empty(), "{:?}", borrowed.endpoint_overrides);
        let manila = "[manila]\nregion_name = own\nendpoint_override = http://manila/v2\n";
        let own = session(&format!("[cinder]\n{ACCOUNT}{cinder}{manila}"));
        assert_eq!(own.region.as_deref(), Some("own"));
        assert!(own.endpoint_overrides.values().all(|url| url.host_str() == Some("manila")));
        assert!(!own.endpoint_overrides.is_empty());
    }

    #[test]
    fn what_cinder_borrows_itself_is_followed() {
        let file = format!("[cinder]\nauth_section = account\nregion_name = r\n[account]\n{ACCOUNT}");
        let borrowed = session(&file.replace("http://keystone/", "http://elsewhere/"));
        assert_eq!(borrowed.auth_url.unwrap().host_str(), Some("elsewhere"));
        assert_eq!(borrowed.region, None);
    }

    #[test]
    fn different_labels_and_hosts_have_different_ceph_ids() {
        let long = "h".repeat(80);
        let longer = format!("{long}x");
        let named = [
            ("fuxi", "a.b"),
            ("fuxi", "a-b"),
            ("fuxi-a", "b"),
            ("fuxi", "a_b"),
            ("fuxi", &*long),
            ("fuxi", &*longer),
        ];
        let ids: std::collections::BTreeSet<_> = named.iter().map(|(l, h)| ceph_id(l, h)).collect();
        assert_eq!(ids.len(), named.len(), "{ids:?}");
        for id in &ids {
            assert!(id.len() <= 64 && id.starts_with("fuxi-"), "{id}");
            assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{id}");
        }
        // As the published test vector of the hash.
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
