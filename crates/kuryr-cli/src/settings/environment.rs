//! The variables that the container of the Python programs was set up with, and that users of Docker's managed plugins
//! give with `docker plugin set`. They fill in what files leave out. An empty one counts as absent.

use super::Level;
use crate::error::Error;

/// A variable of this process.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What the variables say of keystoneauth's option `key`, given what else is known of who we are: a name that `known`
/// tells already by its id needs none, and another way to authenticate than by password needs none of this.
pub(super) fn credential(
    key: &str,
    known: impl Fn(&str) -> Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let by_password =
        known("auth_type").is_none_or(|name| matches!(name.as_str(), "password" | "v3password"));
    if !by_password || known("application_credential_secret").is_some() || known("token").is_some() {
        return None;
    }
    let without = |others: &[&str]| others.iter().all(|other| known(other).is_none());
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name));
    match key {
        "username" if without(&["user_id"]) => first(&["SERVICE_USER"]),
        "password" => first(&["SERVICE_PASSWORD"]),
        "project_name"
            if without(&["project_id", "domain_id", "domain_name", "system_scope", "trust_id"]) =>
        {
            first(&["SERVICE_PROJECT_NAME", "SERVICE_TENANT_NAME"])
        }
        "project_domain_name" if without(&["project_id", "project_domain_id", "trust_id"]) => {
            first(&["SERVICE_DOMAIN_NAME"])
        }
        "user_domain_name" if without(&["user_id", "user_domain_id"]) => first(&["USER_DOMAIN_NAME"]),
        // As the Python program's container: the domain that every Keystone has at first.
        "default_domain_id" if without(&["default_domain_name"]) => {
            first(&["SERVICE_USER"]).map(|_| "default".to_owned())
        }
        "cafile" => first(&["SERVICE_CA_CERT"]),
        "region_name" => first(&["REGION"]),
        _ => None,
    }
}

/// `LOG_LEVEL`: whether to log in detail, and otherwise what to leave out.
///
/// # Errors
/// [`Error::Setting`] when it is no level.
pub(super) fn log_level(text: Option<&str>) -> Result<(bool, Level), Error> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        Some("debug" | "trace") => Ok((true, Level::Info)),
        None | Some("info") => Ok((false, Level::Info)),
        Some("warning" | "warn") => Ok((false, Level::Warning)),
        Some("error" | "critical" | "fatal") => Ok((false, Level::Error)),
        Some(other) => Err(Error::Setting(format!(
            "environment variable LOG_LEVEL is `{other}`; use debug, info, warning or error"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(key: &str, known: &[(&str, &str)]) -> Option<String> {
        let find = |list: &[(&str, &str)], name: &str| {
            list.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned())
        };
        let set = [
            ("SERVICE_USER", "u"),
            ("SERVICE_PASSWORD", "p"),
            ("SERVICE_PROJECT_NAME", "service"),
            ("SERVICE_DOMAIN_NAME", "of-project"),
            ("USER_DOMAIN_NAME", "of-user"),
        ];
        credential(key, |name| find(known, name), |name| find(&set, name))
    }

    #[test]
    fn variables_fill_in_what_a_password_needs() {
        assert_eq!(said("username", &[]).as_deref(), Some("u"));
        assert_eq!(said("password", &[("auth_type", "password")]).as_deref(), Some("p"));
        assert_eq!(said("project_domain_name", &[]).as_deref(), Some("of-project"));
        assert_eq!(said("user_domain_name", &[]).as_deref(), Some("of-user"));
        assert_eq!(said("default_domain_id", &[]).as_deref(), Some("default"));
    }

    #[test]
    fn variables_add_nothing_to_another_way_to_authenticate() {
        for known in
            [("auth_type", "v3applicationcredential"), ("application_credential_secret", "s"), ("token", "t")]
        {
            for key in ["username", "password", "project_name", "default_domain_id"] {
                assert_eq!(said(key, &[known]), None, "{key} beside {known:?}");
            }
        }
        assert_eq!(said("user_domain_name", &[("user_domain_id", "default")]), None);
        assert_eq!(said("project_name", &[("project_id", "1")]), None);
    }

    #[test]
    fn levels_of_logs_are_those_of_python() {
        assert_eq!(log_level(Some("DEBUG")).unwrap(), (true, Level::Info));
        assert_eq!(log_level(None).unwrap(), (false, Level::Info));
        assert_eq!(log_level(Some("WARNING")).unwrap(), (false, Level::Warning));
        assert!(log_level(Some("loud")).unwrap_err().to_string().contains("`loud`"));
    }
}
