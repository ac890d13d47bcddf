//! Who we are to the cloud and how we reach it.

mod clouds;
mod environment;
mod keystoneauth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use clouds::CloudFiles;

/// Everything a [`crate::Session`] needs. Build it with [`AuthSettings::from_keystoneauth`],
/// [`AuthSettings::from_clouds`] or [`AuthSettings::from_env`], or fill it in.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Where these settings come from, for error texts: `[neutron] in /etc/kuryr/kuryr.conf`.
    pub origin: String,
    /// Keystone, ending in `/v3`; `None` only with [`Credentials::None`].
    pub auth_url: Option<Url>,
    /// The proof of who we are.
    pub credentials: Credentials,
    /// What the token shall be good for.
    pub scope: Scope,
    /// Only endpoints of this region; `None` takes the first of the catalog.
    pub region: Option<String>,
    /// Interfaces, the preferred first; never empty when built by this crate.
    pub interfaces: Vec<Interface>,
    /// Endpoints that replace the catalog's.
    pub endpoint_overrides: BTreeMap<ServiceType, Url>,
    /// Trust and client certificate.
    pub tls: Tls,
    /// Deadline of a call, retries and authentication included; `None`: 20 s, and 50 s for calls that make
    /// Cinder talk to the storage or Nova to the hypervisor.
    pub timeout: Option<Duration>,
}

/// The proof of who we are.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// No authentication (`auth_type = none`); needs an endpoint override.
    None,
    /// User and password.
    Password {
        /// The user.
        user: User,
        /// The password.
        password: SecretString,
    },
    /// A token somebody else got. It cannot be renewed beyond its own end.
    Token(SecretString),
    /// An application credential by its id.
    ApplicationCredential {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
    /// An application credential by its name, which is unique for a user.
    NamedApplicationCredential {
        /// Its name.
        name: String,
        /// Its owner.
        user: User,
        /// Its secret.
        secret: SecretString,
    },
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// By id.
    Id(String),
    /// By name within a domain.
    Name {
        /// The name.
        name: String,
        /// The domain it is unique in.
        domain: Domain,
    },
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// What a token shall be good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What the credentials carry themselves (application credentials).
    Own,
    /// A project by id.
    ProjectId(String),
    /// A project by name within a domain.
    ProjectName {
        /// The name.
        name: String,
        /// The domain it is unique in.
        domain: Domain,
    },
    /// A domain.
    Domain(Domain),
    /// The whole system.
    System,
    /// A trust, by id.
    Trust(String),
}

/// Which of a service's endpoints to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `public`
    Public,
    /// `internal`
    Internal,
    /// `admin`
    Admin,
}

impl Interface {
    /// As the catalog writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }

    /// Reads `public`, `publicURL` and so on.
    fn parse(text: &str) -> Option<Self> {
        match text.trim().trim_end_matches("URL") {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// A service this crate speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceType {
    /// Neutron.
    Network,
    /// Cinder.
    BlockStorage,
    /// Nova.
    Compute,
    /// Manila.
    SharedFileSystems,
}

impl ServiceType {
    /// As it stands in errors and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::BlockStorage => "block-storage",
            Self::Compute => "compute",
            Self::SharedFileSystems => "shared-file-system",
        }
    }

    /// Names of the service in catalogs, the official one first.
    pub(crate) fn catalog_types(self) -> &'static [&'static str] {
        match self {
            Self::Network => &["network"],
            Self::BlockStorage => &["block-storage", "block-store", "volumev3"],
            Self::Compute => &["compute"],
            Self::SharedFileSystems => &["shared-file-system", "sharev2"],
        }
    }
}

/// Trust and client certificate.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// PEM bundle of the authorities to trust instead of the system's.
    pub cafile: Option<PathBuf>,
    /// Client certificate chain, PEM; may hold the key as well.
    pub certfile: Option<PathBuf>,
    /// Key of the client certificate, PEM.
    pub keyfile: Option<PathBuf>,
    /// Believe any certificate. Warned about.
    pub insecure: bool,
}
