//! How to start the cloud.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::datapath::{NetworkDataPath, ShareExport, VolumeDataPath};

/// Everything that can be chosen at start. [`Options::new`] gives devstack's values.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Base of all URLs the cloud hands out, without a slash at the end; default `http://` and the address.
    pub public_url: Option<String>,
    /// Where the model is kept between runs; `None`: nowhere.
    pub state_file: Option<PathBuf>,
    /// Makes ports carry packets; `None`: ports become `ACTIVE` as soon as they are bound.
    pub network_path: Option<Arc<dyn NetworkDataPath>>,
    /// Makes volumes hold bytes.
    pub volume_path: Option<Arc<dyn VolumeDataPath>>,
    /// Makes shares of the protocols it serves hold files.
    pub share_export: Option<Arc<dyn ShareExport>>,
    /// Password of the user `admin`.
    pub admin_password: String,
    /// Password of the user `demo`.
    pub demo_password: String,
    /// Secret of the seeded application credential of `admin` (id and name: see `keystone`).
    pub application_credential_secret: String,
    /// How long a token lives.
    pub token_lifetime: Duration,
    /// Gives `demo` the role `admin` in its project.
    pub demo_is_admin: bool,
    /// `binding:vif_type` of bound ports: `bridge`, `tap`, `ovs`, `binding_failed`.
    pub vif_type: String,
    /// MTU of new networks that name none, in bytes.
    pub mtu: u32,
    /// Most allowed address pairs on a port; Neutron's `max_allowed_address_pair`.
    pub max_allowed_address_pair: usize,
    /// Added to each answer.
    pub latency: Duration,
}

impl Options {
    /// Devstack's defaults on an address: passwords equal to the user names, tokens for an hour, no data path.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            public_url: None,
            state_file: None,
            network_path: None,
            volume_path: None,
            share_export: None,
            admin_password: "admin".into(),
            demo_password: "demo".into(),
            application_credential_secret: "kuryr-secret".into(),
            token_lifetime: Duration::from_secs(3600),
            demo_is_admin: false,
            vif_type: "bridge".into(),
            mtu: 1450,
            max_allowed_address_pair: 10,
            latency: Duration::ZERO,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("public_url", &self.public_url)
            .field("state_file", &self.state_file)
            .field("network_path", &self.network_path)
            .field("volume_path", &self.volume_path)
            .field("share_export", &self.share_export)
            .field("token_lifetime", &self.token_lifetime)
            .field("demo_is_admin", &self.demo_is_admin)
            .field("vif_type", &self.vif_type)
            .field("mtu", &self.mtu)
            .field("max_allowed_address_pair", &self.max_allowed_address_pair)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}
