//! Settings from `OS_*` variables, as `openrc` files set them.

use super::keystoneauth::Keys;
use super::{AuthSettings, CloudFiles};
use crate::Result;

impl AuthSettings {
    /// Reads `OS_*`. With `OS_CLOUD` set, reads that cloud of `clouds.yaml` instead, found as
    /// [`CloudFiles::from_env`] says.
    ///
    /// # Errors
    /// [`crate::Error::Config`]: a variable is missing, contradicts another or cannot be read.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if let Some(cloud) = variable("OS_CLOUD").filter(|name| !name.is_empty()) {
            return Self::from_clouds(&CloudFiles::from_env(variable), &cloud);
        }
        let get = |key: &str| variable(&spell(key));
        Keys { place: "the environment", get: &get, spell }.settings()
    }
}

/// The variable's name: `OS_` and the option's, but for the few that python-openstackclient names otherwise.
fn spell(key: &str) -> String {
    match key {
        "cafile" => "OS_CACERT".to_owned(),
        "certfile" => "OS_CERT".to_owned(),
        "keyfile" => "OS_KEY".to_owned(),
        other => format!("OS_{}", other.to_ascii_uppercase()),
    }
}
