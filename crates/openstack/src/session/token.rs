//! Tokens: asking Keystone for one and knowing when it ends.
//!
//! Source: the Identity API v3 reference and its OS-TRUST extension.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::Catalog;
use crate::settings::{AuthSettings, Credentials, Domain, Scope, User};

/// A token is renewed when less than this is left.
const RENEW_BEFORE: Duration = Duration::from_secs(120);

/// A token and what came with it.
#[derive(Debug)]
pub(crate) struct Token {
    /// `None` without authentication.
    pub(crate) id: Option<SecretString>,
    pub(crate) project_id: Option<String>,
    pub(crate) catalog: Catalog,
    /// `None`: never.
    ends: Option<Ends>,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    renew: Instant,
    expires: Instant,
}

impl Token {
    /// What stands in for a token when there is no authentication.
    pub(super) fn none() -> Self {
        Self { id: None, project_id: None, catalog: Catalog::default(), ends: None }
    }

    pub(super) fn new(id: SecretString, answer: Answer, received: Instant) -> Self {
        let Body { expires_at, issued_at, project, catalog } = answer.token;
        // The span between Keystone's own two times counts, from now: so a wrong clock on either side does no harm.
        let from = issued_at.unwrap_or_else(Timestamp::now);
        let lifetime = expires_at.map(|to| Duration::try_from(to.duration_since(from)).unwrap_or_default());
        let ends = lifetime.and_then(|lifetime| {
            let margin = RENEW_BEFORE.min(lifetime / 2);
            let expires = received.checked_add(lifetime)?;
            Some(Ends { expires, renew: expires.checked_sub(margin)? })
        });
        Self { id: Some(id), project_id: project.map(|p| p.id), catalog, ends }
    }

    /// Good for a while.
    pub(super) fn is_fresh(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends.renew)
    }

    /// Good still.
    pub(super) fn is_valid(&self) -> bool {
        self.ends.is_none_or(|ends| Instant::now() < ends.expires)
    }
}

/// Body of the answer to `POST /v3/auth/tokens`.
#[derive(Deserialize)]
pub(super) struct Answer {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    issued_at: Option<Timestamp>,
    #[serde(default)]
    project: Option<Project>,
    #[serde(default)]
    catalog: Catalog,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

/// Body of `POST /v3/auth/tokens`. Holds the secret in the clear.
pub(super) fn request(settings: &AuthSettings) -> Value {
    let identity = match &settings.credentials {
        Credentials::None => json!({ "methods": [] }),
        Credentials::Password { user: who, password } => {
            let mut user = user(who);
            set(&mut user, "password", password.expose_secret().into());
            json!({ "methods": ["password"], "password": { "user": user } })
        }
        Credentials::Token(id) => json!({ "methods": ["token"], "token": { "id": id.expose_secret() } }),
        Credentials::ApplicationCredential { id, secret } => json!({
            "methods": ["application_credential"],
            "application_credential": { "id": id, "secret": secret.expose_secret() },
        }),
        Credentials::NamedApplicationCredential { name, user: who, secret } => json!({
            "methods": ["application_credential"],
            "application_credential": { "name": name, "user": user(who), "secret": secret.expose_secret() },
        }),
    };
    let mut auth = json!({ "identity": identity });
    let scope = match &settings.scope {
        Scope::Own => None,
        Scope::ProjectId(id) => Some(json!({ "project": { "id": id } })),
        Scope::ProjectName { name, domain: of } => {
            Some(json!({ "project": { "name": name, "domain": domain(of) } }))
        }
        Scope::Domain(which) => Some(json!({ "domain": domain(which) })),
        Scope::System => Some(json!({ "system": { "all": true } })),
        Scope::Trust(id) => Some(json!({ "OS-TRUST:trust": { "id": id } })),
    };
    if let Some(scope) = scope {
        set(&mut auth, "scope", scope);
    }
    json!({ "auth": auth })
}

fn user(user: &User) -> Value {
    match user {
        User::Id(id) => json!({ "id": id }),
        User::Name { name, domain: of } => json!({ "name": name, "domain": domain(of) }),
    }
}

fn domain(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(issued: &str, expires: &str) -> Token {
        let body = json!({ "token": { "issued_at": issued, "expires_at": expires } });
        Token::new("t".to_owned().into(), serde_json::from_value(body).unwrap(), Instant::now())
    }

    fn left(token: &Token) -> (u64, u64) {
        let ends = token.ends.unwrap();
        let from_now = |at: Instant| at.duration_since(Instant::now()).as_secs_f64().round() as u64;
        (from_now(ends.renew), from_now(ends.expires))
    }

    #[test]
    fn a_token_is_renewed_two_minutes_early_whatever_the_clocks_say() {
        for year in ["1999", "2150"] {
            let at = |time: &str| format!("{year}-01-01T{time}.000000Z");
            assert_eq!(left(&token(&at("00:00:00"), &at("01:00:00"))), (3480, 3600));
            assert_eq!(left(&token(&at("00:00:00"), &at("00:01:00"))), (30, 60), "not renewed all the time");
        }
    }

    #[test]
    fn a_token_that_was_over_before_it_came_is_not_used() {
        let token = token("2026-01-01T01:00:00Z", "2026-01-01T00:00:00Z");
        assert!(!token.is_fresh() && !token.is_valid());
    }

    #[test]
    fn no_debug_text_shows_the_token() {
        let token = token("2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z");
        assert!(format!("{token:?}").contains("REDACTED"));
    }
}
