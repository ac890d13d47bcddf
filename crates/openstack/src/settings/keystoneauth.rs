//! Settings under keystoneauth's option names, as sections of `kuryr.conf` have them.
//!
//! Source: the options that keystoneauth1's loading module registers for a session, an adapter and the identity
//! plugins.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{AuthSettings, Credentials, Domain, Interface, Scope, ServiceType, Tls, User};
use crate::{Error, Result};

/// Where keys are looked up, and how to name them to an operator.
pub(super) struct Keys<'a> {
    pub(super) place: &'a str,
    pub(super) get: &'a dyn Fn(&str) -> Option<String>,
    /// The key as the operator writes it there.
    pub(super) spell: fn(&str) -> String,
}

impl AuthSettings {
    /// Reads keystoneauth's options from a section: `get` returns the value of an option, `place` says where that
    /// is, such as `[neutron] in /etc/kuryr/kuryr.conf`. Empty values count as absent. `auth_section` is for the
    /// caller to follow.
    ///
    /// # Errors
    /// [`Error::Config`]: an option is missing, contradicts another or cannot be read.
    pub fn from_keystoneauth(place: &str, get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Keys { place, get: &get, spell: str::to_owned }.settings()
    }

    /// [`Self::from_keystoneauth`] on a map.
    ///
    /// # Errors
    /// As [`Self::from_keystoneauth`].
    pub fn from_keystoneauth_map(place: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        Self::from_keystoneauth(place, |key| options.get(key).cloned())
    }
}

impl Keys<'_> {
    pub(super) fn settings(&self) -> Result<AuthSettings> {
        let endpoint_overrides = self.endpoint_overrides()?;
        let (credentials, scope) = self.who()?;
        if matches!(credentials, Credentials::None) && endpoint_overrides.is_empty() {
            return Err(self.missing(&["endpoint_override"], "without authentication there is no catalog"));
        }
        let auth_url = match credentials {
            Credentials::None => None,
            _ => Some(self.auth_url()?),
        };
        Ok(AuthSettings {
            origin: self.place.to_owned(),
            auth_url,
            credentials,
            scope,
            region: self.get(&["region_name"]),
            interfaces: self.interfaces()?,
            endpoint_overrides,
            tls: Tls {
                cafile: self.get(&["cafile"]).map(Into::into),
                certfile: self.get(&["certfile"]).map(Into::into),
                keyfile: self.get(&["keyfile"]).map(Into::into),
                insecure: self.insecure()?,
            },
            timeout: self.timeout()?,
        })
    }

    /// The first of these keys that has a value.
    fn get(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| (self.get)(key).filter(|value| !value.is_empty()))
    }

    fn need(&self, keys: &[&str], why: &str) -> Result<String> {
        self.get(keys).ok_or_else(|| self.missing(keys, why))
    }

    fn missing(&self, keys: &[&str], why: &str) -> Error {
        let keys: Vec<_> = keys.iter().map(|key| format!("`{}`", (self.spell)(key))).collect();
        Error::Config(format!("{} is missing in {}: {why}", keys.join(" or "), self.place))
    }

    fn bad(&self, key: &str, value: &str, allowed: &str) -> Error {
        Error::Config(format!("`{}` in {} is `{value}`; {allowed}", (self.spell)(key), self.place))
    }

    fn contradiction(&self, one: &str, other: &str, advice: &str) -> Error {
        let (one, other) = ((self.spell)(one), (self.spell)(other));
        Error::Config(format!("`{one}` and `{other}` contradict each other in {}: {advice}", self.place))
    }

    fn who(&self) -> Result<(Credentials, Scope)> {
        let named = self.get(&["auth_type", "auth_plugin"]);
        let auth_type = match named.as_deref() {
            Some(name) => name,
            None if self.get(&["application_credential_secret"]).is_some() => "v3applicationcredential",
            None if self.get(&["token"]).is_some() && self.get(&["password"]).is_none() => "v3token",
            None => "password",
        };
        match auth_type {
            "password" | "v3password" => {
                let user = self.user("it says who authenticates")?;
                let password = self.need(&["password"], "it proves who we are")?.into();
                Ok((Credentials::Password { user, password }, self.scope()?))
            }
            "token" | "v3token" => {
                let token = SecretString::from(self.need(&["token"], "it proves who we are")?);
                Ok((Credentials::Token(token), self.scope()?))
            }
            "v3applicationcredential" => Ok((self.application_credential()?, Scope::Own)),
            "none" | "noauth" => Ok((Credentials::None, Scope::Own)),
            other => Err(self.bad(
                if self.get(&["auth_type"]).is_some() { "auth_type" } else { "auth_plugin" },
                other,
                "use password, v3password, token, v3token, v3applicationcredential or none",
            )),
        }
    }

    fn application_credential(&self) -> Result<Credentials> {
        for key in
            ["project_id", "project_name", "tenant_id", "tenant_name", "domain_id", "domain_name", "trust_id"]
        {
            if self.get(&[key]).is_some() {
                let advice = "an application credential carries its own project, remove the former";
                return Err(self.contradiction(key, "application_credential_secret", advice));
            }
        }
        let secret =
            self.need(&["application_credential_secret"], "it belongs to the application credential")?.into();
        if let Some(id) = self.get(&["application_credential_id"]) {
            return Ok(Credentials::ApplicationCredential { id, secret });
        }
        let keys = ["application_credential_id", "application_credential_name"];
        let name = self
            .get(&["application_credential_name"])
            .ok_or_else(|| self.missing(&keys, "the secret alone names no application credential"))?;
        let user = self.user("an application credential's name is unique only for a user")?;
        Ok(Credentials::NamedApplicationCredential { name, user, secret })
    }

    fn user(&self, why: &str) -> Result<User> {
        if let Some(id) = self.get(&["user_id"]) {
            return Ok(User::Id(id));
        }
        let name = self
            .get(&["username", "user_name"])
            .ok_or_else(|| self.missing(&["username", "user_id"], why))?;
        let domain = self.domain_of("user", "a user name is unique only within a domain")?;
        Ok(User::Name { name, domain })
    }

    fn domain_of(&self, what: &str, why: &str) -> Result<Domain> {
        let (id, name) = (format!("{what}_domain_id"), format!("{what}_domain_name"));
        if let Some(value) = self.get(&[&id]) {
            Ok(Domain::Id(value))
        } else if let Some(value) = self.get(&[&name]) {
            Ok(Domain::Name(value))
        } else if let Some(value) = self.get(&["default_domain_id", "default_domain"]) {
            Ok(Domain::Id(value))
        } else if let Some(value) = self.get(&["default_domain_name"]) {
            Ok(Domain::Name(value))
        } else {
            Err(self.missing(&[&name, &id], why))
        }
    }

    fn scope(&self) -> Result<Scope> {
        let first = |keys: [&'static str; 4]| keys.into_iter().find(|key| self.get(&[key]).is_some());
        let asked: Vec<&str> = [
            first(["project_id", "tenant_id", "project_name", "tenant_name"]),
            first(["domain_id", "domain_name", "domain_id", "domain_name"]),
            first(["system_scope"; 4]),
            first(["trust_id"; 4]),
        ]
        .into_iter()
        .flatten()
        .collect();
        if let [one, other, ..] = asked.as_slice() {
            return Err(self.contradiction(one, other, "a token has one scope, keep one of them"));
        }
        if let Some(id) = self.get(&["project_id", "tenant_id"]) {
            return Ok(Scope::ProjectId(id));
        }
        if let Some(name) = self.get(&["project_name", "tenant_name"]) {
            let domain = self.domain_of("project", "a project name is unique only within a domain")?;
            return Ok(Scope::ProjectName { name, domain });
        }
        if let Some(id) = self.get(&["domain_id"]) {
            return Ok(Scope::Domain(Domain::Id(id)));
        }
        if let Some(name) = self.get(&["domain_name"]) {
            return Ok(Scope::Domain(Domain::Name(name)));
        }
        match self.get(&["system_scope"]).as_deref() {
            Some("all") => return Ok(Scope::System),
            Some(other) => return Err(self.bad("system_scope", other, "only `all` is known")),
            None => {}
        }
        let trust = self.get(&["trust_id"]).ok_or_else(|| {
            self.missing(&["project_name", "project_id"], "without a project the token is good for nothing")
        })?;
        Ok(Scope::Trust(trust))
    }

    fn url(&self, key: &str, value: &str) -> Result<Url> {
        // The value may hold a password before the host, so it is not repeated in the error.
        let refuse = |why: &str| Error::Config(format!("`{}` in {} {why}", (self.spell)(key), self.place));
        let url = Url::parse(value).map_err(|e| refuse(&format!("is not a URL: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse("is not a URL that starts with http:// or https:// and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("holds a user name or password; set `username` and `password` instead"));
        }
        Ok(url)
    }

    fn auth_url(&self) -> Result<Url> {
        let value = self.need(&["auth_url"], "it says where Keystone is")?;
        let mut url = self.url("auth_url", &value)?;
        let path = url.path().trim_end_matches('/');
        let root = path.strip_suffix("/v3").or_else(|| path.strip_suffix("/v2.0")).unwrap_or(path);
        let path = format!("{root}/v3");
        url.set_path(&path);
        url.set_query(None);
        Ok(url)
    }

    fn endpoint_overrides(&self) -> Result<BTreeMap<ServiceType, Url>> {
        let mut overrides = BTreeMap::new();
        let both = ["endpoint_override", "endpoint"];
        let network = ["network_endpoint_override"];
        let block =
            ["block_storage_endpoint_override", "volumev3_endpoint_override", "volume_endpoint_override"];
        let compute = ["compute_endpoint_override"];
        let shares = ["shared_file_system_endpoint_override", "sharev2_endpoint_override"];
        for (service, keys) in [
            (ServiceType::Network, &network[..]),
            (ServiceType::BlockStorage, &block[..]),
            (ServiceType::Compute, &compute[..]),
            (ServiceType::SharedFileSystems, &shares[..]),
        ] {
            let found = keys.iter().chain(&both).find(|key| self.get(&[key]).is_some());
            if let Some((key, value)) = found.and_then(|key| Some((*key, self.get(&[key])?))) {
                overrides.insert(service, self.url(key, &value)?);
            }
        }
        Ok(overrides)
    }

    fn interfaces(&self) -> Result<Vec<Interface>> {
        for key in ["valid_interfaces", "interface", "endpoint_type"] {
            let Some(list) = self.get(&[key]) else { continue };
            return list
                .split(',')
                .map(|one| {
                    Interface::parse(one).ok_or_else(|| self.bad(key, &list, "use public, internal or admin"))
                })
                .collect();
        }
        Ok(vec![Interface::Public])
    }

    fn insecure(&self) -> Result<bool> {
        let Some(text) = self.get(&["insecure"]) else { return Ok(false) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.bad("insecure", &text, "use true or false")),
        }
    }

    fn timeout(&self) -> Result<Option<Duration>> {
        let Some(text) = self.get(&["timeout"]) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
        seconds
            .map(|seconds| Some(Duration::from_secs_f64(seconds)))
            .ok_or_else(|| self.bad("timeout", &text, "use a number of seconds above 0, at most 86400"))
    }
}
