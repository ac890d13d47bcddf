//! `fuxi.conf` into the settings of the volume plugin.

use std::net::IpAddr;
use std::path::PathBuf;

use fuxi::Provider;
use openstack::AuthSettings;
use oslo_config::Loaded;
use url::Url;

use super::shares::{self, SharesOfManila};
use super::tcp::{self, Tcp};
use super::{credentials, host, state_dir, text};
use crate::error::Error;

/// What the volume plugin is made of.
#[derive(Debug)]
pub(crate) struct VolumePlugin {
    /// The service's settings.
    pub(crate) service: fuxi::Settings,
    /// In the order of their search; the first is the default.
    pub(crate) providers: Vec<Provider>,
    /// Who we are to Cinder, if it is a provider.
    pub(crate) cinder: Option<AuthSettings>,
    /// Manila, if it is a provider.
    pub(crate) manila: Option<SharesOfManila>,
    /// Where volumes come through Nova.
    pub(crate) nova: Option<Compute>,
    /// The journal's directory.
    pub(crate) state_dir: PathBuf,
    /// Where volumes are mounted.
    pub(crate) volume_dir: PathBuf,
    /// This host's name in attachments.
    pub(crate) host: String,
    /// This host's address in attachments.
    pub(crate) my_ip: Option<IpAddr>,
    /// Listen here too, beside the socket.
    pub(crate) tcp: Option<Tcp>,
}

/// This virtual machine to Nova.
#[derive(Debug)]
pub(crate) struct Compute {
    /// Who we are.
    pub(crate) auth: AuthSettings,
    /// The metadata service, without a path.
    pub(crate) metadata: Url,
}

impl Compute {
    fn read(loaded: &Loaded, place: &str) -> Result<Option<Self>, Error> {
        if text(loaded, "cinder", "volume_connector")? != "openstack" {
            return Ok(None);
        }
        let address = text(loaded, "nova", "metadata_url")?;
        let metadata = address.parse().map_err(|e| {
            Error::Setting(format!("[nova] metadata_url = {address} in {place} is no URL: {e}"))
        })?;
        Ok(Some(Self { auth: credentials::read(loaded, "nova", place)?, metadata }))
    }
}

impl VolumePlugin {
    pub(super) fn read(loaded: &Loaded, place: &str) -> Result<Self, Error> {
        let fstype = text(loaded, "cinder", "fstype")?;
        let Ok(default_filesystem) = fstype.parse() else {
            return Err(Error::Setting(format!(
                "[cinder] fstype = {fstype} in {place}: ext4, xfs and btrfs can be made"
            )));
        };
        let non_empty = |key: &str| -> Result<Option<String>, Error> {
            Ok(Some(text(loaded, "cinder", key)?).filter(|t| !t.is_empty()))
        };
        let defaults = fuxi::Settings::default();
        let size = loaded.integer("DEFAULT", "default_volume_size")?.and_then(|s| u64::try_from(s).ok());
        let providers = providers(loaded)?;
        let (label, host) = (text(loaded, "DEFAULT", "volume_from")?, host(loaded)?);
        let my_ip = my_ip(loaded)?.and_then(|text| text.parse().ok());
        let manila = if providers.contains(&Provider::Manila) {
            Some(SharesOfManila::read(loaded, place, &label, &host, my_ip)?)
        } else {
            None
        };
        let (cinder, nova) = if providers.contains(&Provider::Cinder) {
            (Some(credentials::read(loaded, "cinder", place)?), Compute::read(loaded, place)?)
        } else {
            (None, None)
        };
        Ok(Self {
            service: fuxi::Settings {
                label,
                default_size: size.unwrap_or(defaults.default_size),
                default_filesystem,
                default_volume_type: non_empty("volume_type")?,
                default_multiattach: loaded.bool("cinder", "multiattach")?,
                multiattach_type: non_empty("multiattach_type")?,
                implicit_create: loaded.bool("DEFAULT", "implicit_create")?,
                default_availability_zone: non_empty("availability_zone")?,
                detach_delay: loaded.seconds("cinder", "detach_delay")?.unwrap_or(defaults.detach_delay),
                ..defaults
            },
            providers,
            cinder,
            manila,
            nova,
            state_dir: state_dir(loaded)?,
            volume_dir: loaded
                .path("DEFAULT", "volume_dir")?
                .map_or_else(|| "/fuxi/data".into(), PathBuf::from),
            host,
            my_ip,
            tcp: tcp::volume(loaded, place)?,
        })
    }
}

/// Unset it is Cinder alone.
fn providers(loaded: &Loaded) -> Result<Vec<Provider>, Error> {
    let mut providers = Vec::new();
    for name in loaded.list("DEFAULT", "volume_providers")? {
        let known = Provider::ALL.into_iter().find(|p| p.name() == name);
        providers.extend(known.filter(|p| !providers.contains(p)));
    }
    Ok(if providers.is_empty() { vec![Provider::Cinder] } else { providers })
}

fn my_ip(loaded: &Loaded) -> Result<Option<&str>, Error> {
    Ok(loaded.get_str("DEFAULT", "my_ip")?.filter(|ip| !ip.is_empty()))
}

/// What the file asks for and this release does not do.
pub(super) fn unserved(loaded: &Loaded, place: &str) -> Result<Vec<String>, Error> {
    let mut unserved = Vec::new();
    if providers(loaded)?.contains(&Provider::Manila) {
        unserved.extend(shares::unserved(loaded, place, my_ip(loaded)?)?);
    }
    Ok(unserved)
}

/// What the file asks for and will go without.
pub(super) fn doubts(loaded: &Loaded, place: &str) -> Result<Vec<String>, Error> {
    let mut doubts = Vec::new();
    if let Some(text) = my_ip(loaded)?.filter(|text| text.parse::<IpAddr>().is_err()) {
        doubts.push(format!(
            "[DEFAULT] my_ip = {text} in {place} is no IP address; attachments will name none, write this host's \
             address towards the storage"
        ));
    }
    Ok(doubts)
}
