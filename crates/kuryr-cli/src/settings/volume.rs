//! `fuxi.conf` into the settings of the volume plugin.

use std::net::IpAddr;
use std::path::PathBuf;

use openstack::AuthSettings;
use oslo_config::Loaded;

use super::{credentials, host, state_dir, text};
use crate::error::Error;

/// What the volume plugin is made of.
#[derive(Debug)]
pub(crate) struct VolumePlugin {
    /// The service's settings.
    pub(crate) service: fuxi::Settings,
    /// Who we are to Cinder.
    pub(crate) cinder: AuthSettings,
    /// The journal's directory.
    pub(crate) state_dir: PathBuf,
    /// Where volumes are mounted.
    pub(crate) volume_dir: PathBuf,
    /// This host's name in attachments.
    pub(crate) host: String,
    /// This host's address in attachments.
    pub(crate) my_ip: Option<IpAddr>,
}

impl VolumePlugin {
    pub(super) fn read(loaded: &Loaded, place: &str) -> Result<Self, Error> {
        let refuse = |text: String| Err(Error::Setting(format!("{text} in {place}")));
        let providers = loaded.list("DEFAULT", "volume_providers")?;
        if !providers.iter().any(|p| p == "cinder") {
            return refuse("[DEFAULT] volume_providers must name cinder".into());
        }
        if text(loaded, "cinder", "volume_connector")? != "osbrick" {
            return refuse(
                "[cinder] volume_connector: this release connects volumes itself, with osbrick".into(),
            );
        }
        let fstype = text(loaded, "cinder", "fstype")?;
        let Ok(default_filesystem) = fstype.parse() else {
            return refuse(format!("[cinder] fstype = {fstype}: ext4, xfs and btrfs can be made"));
        };
        let non_empty = |key: &str| -> Result<Option<String>, Error> {
            Ok(Some(text(loaded, "cinder", key)?).filter(|t| !t.is_empty()))
        };
        let my_ip = match loaded.get_str("DEFAULT", "my_ip")?.filter(|ip| !ip.is_empty()) {
            None => None,
            Some(text) => match text.parse() {
                Ok(ip) => Some(ip),
                Err(_) => {
                    return refuse(format!("[DEFAULT] my_ip = {text}: an IP address of this host is needed"));
                }
            },
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
            state_dir: state_dir(loaded)?,
            volume_dir: loaded
                .path("DEFAULT", "volume_dir")?
                .map_or_else(|| "/fuxi/data".into(), PathBuf::from),
            host: host(loaded)?,
            my_ip,
        })
    }
}
