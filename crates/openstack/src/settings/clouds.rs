//! Settings from `clouds.yaml`, with the secrets of `secure.yaml` merged in.
//!
//! Source: the configuration files of openstacksdk.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::AuthSettings;
use super::keystoneauth::Keys;
use crate::{Error, Result};

/// Where `clouds.yaml` and `secure.yaml` are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudFiles {
    /// A certain `clouds.yaml` (`OS_CLIENT_CONFIG_FILE`), tried first.
    pub file: Option<PathBuf>,
    /// Directories, the first that has the file wins. `secure.yaml` is looked for on its own.
    pub directories: Vec<PathBuf>,
}

impl CloudFiles {
    /// The search path of openstacksdk: `./`, `~/.config/openstack`, `/etc/openstack`; `HOME`,
    /// `XDG_CONFIG_HOME` and `OS_CLIENT_CONFIG_FILE` are asked from `variable`.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
        let mut directories = vec![PathBuf::from(".")];
        directories.extend(config.map(|config| config.join("openstack")));
        directories.push("/etc/openstack".into());
        Self { file: set("OS_CLIENT_CONFIG_FILE"), directories }
    }

    fn clouds(&self) -> Vec<PathBuf> {
        let inside = self.directories.iter().flat_map(|d| [d.join("clouds.yaml"), d.join("clouds.yml")]);
        self.file.iter().cloned().chain(inside).collect()
    }

    fn secure(&self) -> Vec<PathBuf> {
        let beside = self.file.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        let directories = beside.into_iter().chain(self.directories.iter().cloned());
        directories.flat_map(|d| [d.join("secure.yaml"), d.join("secure.yml")]).collect()
    }
}

#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    clouds: BTreeMap<String, Cloud>,
}

#[derive(Default, Clone, Deserialize)]
#[serde(default)]
struct Cloud {
    auth: BTreeMap<String, Option<String>>,
    auth_type: Option<String>,
    region_name: Option<String>,
    interface: Option<String>,
    endpoint_type: Option<String>,
    verify: Option<bool>,
    cacert: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    api_timeout: Option<String>,
    endpoint_override: Option<String>,
    network_endpoint_override: Option<String>,
    compute_endpoint_override: Option<String>,
    block_storage_endpoint_override: Option<String>,
    volumev3_endpoint_override: Option<String>,
    volume_endpoint_override: Option<String>,
    shared_file_system_endpoint_override: Option<String>,
    sharev2_endpoint_override: Option<String>,
}

impl AuthSettings {
    /// Reads the cloud `name`.
    ///
    /// # Errors
    /// [`Error::Config`]: no such file or cloud, a file that is not YAML, or settings that do not fit together.
    pub fn from_clouds(files: &CloudFiles, name: &str) -> Result<Self> {
        let candidates = files.clouds();
        let Some((path, mut file)) = first::<File>(&candidates)? else {
            let looked: Vec<_> = candidates.iter().map(|p| p.display().to_string()).collect();
            return Err(Error::Config(format!(
                "no clouds.yaml for cloud `{name}`: looked for {}",
                looked.join(", ")
            )));
        };
        let mut options = file.clouds.remove(name).map(Cloud::options).ok_or_else(|| {
            let known: Vec<_> = file.clouds.keys().map(String::as_str).collect();
            Error::Config(format!(
                "no cloud `{name}` in {}: it has {}",
                path.display(),
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        })?;
        let mut place = format!("cloud `{name}` of {}", path.display());
        if let Some((path, mut file)) = first::<File>(&files.secure())?
            && let Some(cloud) = file.clouds.remove(name)
        {
            options.extend(cloud.options());
            place = format!("{place} and {}", path.display());
        }
        let get = |key: &str| options.get(key).cloned();
        Keys { place: &place, get: &get, spell: str::to_owned }.settings()
    }
}

impl Cloud {
    /// Under keystoneauth's names, the set ones only.
    fn options(self) -> BTreeMap<String, String> {
        let insecure = self.verify.map(|verify| (!verify).to_string());
        let own = [
            ("auth_type", self.auth_type),
            ("region_name", self.region_name),
            ("interface", self.interface),
            ("endpoint_type", self.endpoint_type),
            ("insecure", insecure),
            ("cafile", self.cacert),
            ("certfile", self.cert),
            ("keyfile", self.key),
            ("timeout", self.api_timeout),
            ("endpoint_override", self.endpoint_override),
            ("network_endpoint_override", self.network_endpoint_override),
            ("compute_endpoint_override", self.compute_endpoint_override),
            ("block_storage_endpoint_override", self.block_storage_endpoint_override),
            ("volumev3_endpoint_override", self.volumev3_endpoint_override),
            ("volume_endpoint_override", self.volume_endpoint_override),
            ("shared_file_system_endpoint_override", self.shared_file_system_endpoint_override),
            ("sharev2_endpoint_override", self.sharev2_endpoint_override),
        ];
        let auth = self.auth.into_iter().filter_map(|(key, value)| Some((key.replace('-', "_"), value?)));
        let own = own.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        auth.chain(own).collect()
    }
}

/// The first of these files that exists.
fn first<T: DeserializeOwned>(candidates: &[PathBuf]) -> Result<Option<(PathBuf, T)>> {
    for path in candidates {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(e) => return Err(Error::Config(format!("cannot read {}: {e}", path.display()))),
        };
        // The parser's own text quotes the lines around the fault, which may be the password's.
        let value = serde_saphyr::from_str(&text).map_err(|e| {
            let line = e.location().map_or_else(String::new, |at| format!(" near line {}", at.line()));
            Error::Config(format!("{} is not a valid cloud file: the fault is{line}", path.display()))
        })?;
        return Ok(Some((path.clone(), value)));
    }
    Ok(None)
}
