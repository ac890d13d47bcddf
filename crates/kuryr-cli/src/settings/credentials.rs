//! Where credentials come from: the plugin's own section, else `SERVICE_*` and their like, else `clouds.yaml`, else `OS_*`.

use openstack::AuthSettings;
use oslo_config::Loaded;

use super::environment;
use crate::error::Error;

/// The options that describe the endpoint rather than who we are, beside all that override one; they stay with the
/// service's own section when `auth_section` borrows another one's credentials.
const OF_THE_SERVICE: [&str; 6] =
    ["region_name", "valid_interfaces", "interface", "endpoint_type", "endpoint", "timeout"];

fn is_of_the_service(key: &str) -> bool {
    OF_THE_SERVICE.contains(&key) || key.ends_with("endpoint_override")
}

/// Reads the credentials for a service. `place` names the file for error texts.
pub(super) fn read(loaded: &Loaded, group: &str, place: &str) -> Result<AuthSettings, Error> {
    read_from(loaded, group, group, place)
}

/// The same for a service whose credentials are those of another one's section, `group`: what describes the endpoint
/// stays its own.
pub(super) fn read_from(
    loaded: &Loaded,
    service: &str,
    group: &str,
    place: &str,
) -> Result<AuthSettings, Error> {
    let section = loaded.section(group, "auth_section")?;
    let own = |key: &str| {
        let group = if is_of_the_service(key) { service } else { &section };
        value(loaded, group, key)
    };
    let variable = environment::variable;
    if own("auth_url").is_some() || own("auth_type").as_deref() == Some("none") {
        let filled = |key: &str| own(key).or_else(|| environment::credential(key, own, variable));
        return Ok(AuthSettings::from_keystoneauth(&format!("[{section}] in {place}"), filled)?);
    }
    let legacy = |key: &str| own_or_legacy(loaded, key).or_else(|| own(key));
    if legacy("auth_url").is_some() {
        let filled = |key: &str| legacy(key).or_else(|| environment::credential(key, legacy, variable));
        return Ok(AuthSettings::from_keystoneauth(&format!("[keystone] in {place}"), filled)?);
    }
    if let Some(url) = variable("IDENTITY_URL") {
        let filled = |key: &str| match key {
            "auth_url" => Some(url.clone()),
            _ => own(key).or_else(|| environment::credential(key, own, variable)),
        };
        return Ok(AuthSettings::from_keystoneauth(&format!("the environment and {place}"), filled)?);
    }
    if variable("OS_CLOUD").is_some() || variable("OS_AUTH_URL").is_some() {
        return Ok(AuthSettings::from_env(variable)?);
    }
    Err(Error::Setting(format!(
        "no credentials: set auth_url, username, password, project_name and their domains in [{group}] of {place}, or \
         OS_CLOUD, or OS_AUTH_URL or IDENTITY_URL and the variables that belong to it"
    )))
}

/// An option as the text that was written, whatever its type. Unset and unknown ones are absent; of defaults only
/// texts count, for the client has its own for the rest.
fn value(loaded: &Loaded, group: &str, key: &str) -> Option<String> {
    let text = loaded.get_str(group, key).ok().flatten().filter(|t| !t.is_empty()).map(str::to_owned);
    if text.is_some() || !loaded.is_set(group, key).unwrap_or(false) {
        return text;
    }
    let text = text.or_else(|| loaded.bool(group, key).ok().map(|b| b.to_string()));
    let text =
        text.or_else(|| loaded.seconds(group, key).ok().flatten().map(|s| s.as_secs_f64().to_string()));
    let text = text.or_else(|| loaded.list(group, key).ok().filter(|l| !l.is_empty()).map(|l| l.join(",")));
    text.filter(|t| !t.is_empty())
}

/// `[keystone]` of `fuxi.conf`: keystoneauth's names, or those of releases before it.
fn own_or_legacy(loaded: &Loaded, key: &str) -> Option<String> {
    let old = match key {
        "username" => "admin_user",
        "password" => "admin_password",
        "project_name" => "admin_tenant_name",
        "token" => "admin_token",
        "cafile" => "auth_ca_cert",
        "insecure" => "auth_insecure",
        "region_name" => "region",
        _ => "",
    };
    // The old names come from a time when there was one domain.
    let default_domain = matches!(key, "default_domain_id").then(|| "default".to_owned());
    value(loaded, "keystone", key).or_else(|| value(loaded, "keystone", old)).or(default_domain)
}
