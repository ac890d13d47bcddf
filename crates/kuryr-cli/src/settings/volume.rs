//! `fuxi.conf` into the settings of the volume plugin.

use std::net::IpAddr;
use std::path::PathBuf;

use openstack::AuthSettings;
use oslo_config::Loaded;
use url::Url;

use super::{credentials, host, state_dir, text};
use crate::error::Error;

/// What the volume plugin is made of.
#[derive(Debug)]
pub(crate) struct VolumePlugin {
    /// The service's settings.
    pub(crate) service: fuxi::Settings,
    /// Who we are to Cinder.
    pub(crate) cinder: AuthSettings,
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
        Ok(Self {
            service: fuxi::Settings {
                label: text(loaded, "DEFAULT", "volume_from")?,
                default_size: size.unwrap_or(defaults.default_size),
                default_filesystem,
                default_volume_type: non_empty("volume_type")?,
                default_availability_zone: non_empty("availability_zone")?,
                detach_delay: loaded.seconds("cinder", "detach_delay")?.unwrap_or(defaults.detach_delay),
                ..defaults
            },
            cinder: credentials::read(loaded, "cinder", place)?,
            nova: Compute::read(loaded, place)?,
            state_dir: state_dir(loaded)?,
            volume_dir: loaded
                .path("DEFAULT", "volume_dir")?
                .map_or_else(|| "/fuxi/data".into(), PathBuf::from),
            host: host(loaded)?,
            my_ip: my_ip(loaded)?.and_then(|text| text.parse().ok()),
        })
    }
}

fn my_ip(loaded: &Loaded) -> Result<Option<&str>, Error> {
    Ok(loaded.get_str("DEFAULT", "my_ip")?.filter(|ip| !ip.is_empty()))
}

/// What the file asks for and this release does not do.
pub(super) fn unserved(loaded: &Loaded, place: &str) -> Result<Vec<String>, Error> {
    let mut unserved = Vec::new();
    let providers = loaded.list("DEFAULT", "volume_providers")?;
    // Unset means what this release has.
    if !providers.is_empty() && !providers.iter().any(|p| p == "cinder") {
        unserved.push(format!(
            "[DEFAULT] volume_providers in {place} must name cinder: this release serves no other"
        ));
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
    if loaded.list("DEFAULT", "volume_providers")?.iter().any(|p| p == "manila") {
        doubts.push(format!(
            "[DEFAULT] volume_providers in {place} names manila, which is not served yet; volumes come from cinder"
        ));
    }
    Ok(doubts)
}
