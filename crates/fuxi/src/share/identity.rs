//! Who this host is to a share: what an access rule must let in.
//!
//! Source: Manila's access types per protocol.

use std::collections::BTreeMap;
use std::net::IpAddr;

use host_storage::connector::Secrets;
use host_storage::shares::Protocol;
use openstack::shared_file_systems::AccessRule;

use super::ShareSettings;

/// By what a rule lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessType {
    /// Address or network.
    Ip,
    /// Name of a user.
    User,
    /// Common name of a certificate.
    Cert,
    /// Id of a Ceph client.
    Cephx,
}

impl AccessType {
    /// Manila's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::User => "user",
            Self::Cert => "cert",
            Self::Cephx => "cephx",
        }
    }

    /// Of Manila's word.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Ip, Self::User, Self::Cert, Self::Cephx].into_iter().find(|t| t.name() == name)
    }

    /// The option that says who this host is.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Ip => "my_ip",
            Self::User => "cifs_user",
            Self::Cert => "access_to_for_cert",
            Self::Cephx => "access_to_for_cephx",
        }
    }

    /// Whether shares of the protocol can be let in by it.
    #[must_use]
    pub fn fits(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Nfs => self == Self::Ip,
            Protocol::Cifs => matches!(self, Self::Ip | Self::User),
            Protocol::CephFs => self == Self::Cephx,
            Protocol::GlusterFs => matches!(self, Self::Ip | Self::Cert),
        }
    }

    fn usual(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Nfs => Self::Ip,
            Protocol::Cifs => Self::User,
            Protocol::CephFs => Self::Cephx,
            Protocol::GlusterFs => Self::Cert,
        }
    }
}

/// This host's names, beside its address.
#[derive(Debug, Clone, Default)]
pub struct Identities {
    /// Access type per protocol, where it is not the usual one.
    pub types: BTreeMap<Protocol, AccessType>,
    /// Common name of the certificate for Gluster.
    pub cert: Option<String>,
    /// Id for CephFS.
    pub cephx: Option<String>,
    /// User and password for CIFS.
    pub cifs: Secrets,
}

/// What a rule must let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) access_type: AccessType,
    pub(crate) access_to: String,
}

impl ShareSettings {
    /// Who this host is to shares of the protocol, or what has to be configured.
    pub(crate) fn identity(&self, protocol: Protocol) -> Result<Identity, String> {
        let own = &self.identities;
        let access_type = own.types.get(&protocol).copied().unwrap_or(AccessType::usual(protocol));
        let access_to = match access_type {
            AccessType::Ip => self.my_ip.map(|ip| ip.to_string()),
            AccessType::User => own.cifs.user.clone(),
            AccessType::Cert => own.cert.clone(),
            AccessType::Cephx => own.cephx.clone(),
        };
        let missing = match access_type {
            AccessType::Ip => "set my_ip in [DEFAULT] to this host's address towards the storage",
            AccessType::User => "set cifs_user and cifs_password in [manila]",
            AccessType::Cert => {
                "set access_to_for_cert in [manila] to the common name of this host's certificate"
            }
            AccessType::Cephx => "set access_to_for_cephx in [manila] to a Ceph id for this host",
        };
        let access_to = access_to.filter(|to| !to.is_empty()).ok_or_else(|| missing.to_owned())?;
        Ok(Identity { access_type, access_to })
    }
}

impl Identity {
    /// Whether the rule lets this host in, perhaps as one of many.
    pub(crate) fn is_let_in_by(&self, rule: &AccessRule) -> bool {
        if rule.access_type != self.access_type.name() {
            return false;
        }
        match (self.access_type, self.access_to.parse::<IpAddr>()) {
            (AccessType::Ip, Ok(own)) => {
                rule.access_to.parse::<IpAddr>().is_ok_and(|ip| ip == own)
                    || rule.access_to.parse::<ipnet::IpNet>().is_ok_and(|net| net.contains(&own))
            }
            _ => rule.access_to == self.access_to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(access_type: &str, access_to: &str) -> AccessRule {
        serde_json::from_value(serde_json::json!({
            "id": "r", "access_type": access_type, "access_to": access_to,
        }))
        .unwrap()
    }

    #[test]
    fn each_protocol_asks_for_what_it_needs() {
        let settings = ShareSettings::default();
        for (protocol, hint) in [
            (Protocol::Nfs, "my_ip"),
            (Protocol::Cifs, "cifs_user"),
            (Protocol::CephFs, "access_to_for_cephx"),
            (Protocol::GlusterFs, "access_to_for_cert"),
        ] {
            assert!(settings.identity(protocol).unwrap_err().contains(hint));
        }
        let settings = ShareSettings {
            my_ip: Some("fd00::9".parse().unwrap()),
            identities: Identities {
                types: [(Protocol::Cifs, AccessType::Ip)].into(),
                cephx: Some("fuxi-a".into()),
                ..Identities::default()
            },
            ..ShareSettings::default()
        };
        assert_eq!(settings.identity(Protocol::Nfs).unwrap().access_to, "fd00::9");
        assert_eq!(settings.identity(Protocol::Cifs).unwrap().access_type, AccessType::Ip);
        assert_eq!(settings.identity(Protocol::CephFs).unwrap().access_to, "fuxi-a");
    }

    #[test]
    fn a_network_lets_its_members_in_and_nobody_else() {
        let me = Identity { access_type: AccessType::Ip, access_to: "10.0.0.9".into() };
        for to in ["10.0.0.9", "10.0.0.9/32", "10.0.0.0/24", "0.0.0.0/0"] {
            assert!(me.is_let_in_by(&rule("ip", to)), "{to}");
        }
        for (kind, to) in [
            ("ip", "10.0.0.8"),
            ("ip", "10.0.1.0/24"),
            ("user", "10.0.0.9"),
            ("ip", "******"),
            ("ip", "::/0"),
        ] {
            assert!(!me.is_let_in_by(&rule(kind, to)), "{kind} {to}");
        }
    }
}
