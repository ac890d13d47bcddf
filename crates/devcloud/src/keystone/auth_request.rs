//! Reading `POST /v3/auth/tokens` and finding out who it is.

use jiff::Timestamp;
use serde_json::Value;

use super::Known;
use super::directory::{DOMAIN_ID, DOMAIN_NAME, User};
use super::fault::Fault;

/// Who proved to be whom, and for what.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    pub(crate) user_id: String,
    pub(crate) method: &'static str,
    pub(crate) project_id: Option<String>,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) trust_id: Option<String>,
    pub(crate) credential_id: Option<String>,
    /// A token cannot outlive the one it was made from.
    pub(crate) until: Option<Timestamp>,
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn expected(what: &str, place: &str) -> Fault {
    Fault::bad(format!(
        "Expecting to find {what} in {place}. The server could not comply with the request since it is either \
         malformed or otherwise incorrect. The client is assumed to be in error."
    ))
}

fn in_our_domain(owner: &Value) -> Result<bool, Fault> {
    match (text(owner, "/domain/id"), text(owner, "/domain/name")) {
        (Some(id), _) => Ok(id == DOMAIN_ID),
        (None, Some(name)) => Ok(name == DOMAIN_NAME),
        (None, None) => Err(expected("domain", "user or project")),
    }
}

fn find_user<'a>(known: &'a Known, user: &Value) -> Result<&'a User, Fault> {
    let found = match (text(user, "/id"), text(user, "/name")) {
        (Some(id), _) => known.directory.user(id),
        (None, Some(name)) if in_our_domain(user)? => known.directory.user_named(name),
        (None, Some(_)) => None,
        (None, None) => return Err(expected("id or name", "user")),
    };
    found.ok_or_else(Fault::unauthorized)
}

/// Checks the proof and the scope.
pub(crate) fn prove(known: &Known, body: &Value) -> Result<Proven, Fault> {
    let auth = body.get("auth").ok_or_else(|| expected("auth", "the request body"))?;
    let identity = auth.get("identity").ok_or_else(|| expected("identity", "auth"))?;
    let methods = identity.get("methods").and_then(Value::as_array);
    let methods = methods.ok_or_else(|| expected("methods", "identity"))?;
    let mut proven = match methods.first().and_then(Value::as_str) {
        Some("password") => by_password(known, identity)?,
        Some("token") => by_token(known, identity)?,
        Some("application_credential") => by_credential(known, identity)?,
        _ => return Err(Fault::refused("Attempted to authenticate with an unsupported method.")),
    };
    match auth.get("scope") {
        None => {}
        Some(Value::String(word)) if word == "unscoped" && proven.credential_id.is_some() => {}
        Some(Value::String(word)) if word == "unscoped" => {
            proven.project_id = None;
            proven.roles.clear();
        }
        Some(_) if proven.credential_id.is_some() => {
            return Err(Fault::refused("Application credentials cannot request a scope."));
        }
        Some(scope) => apply_scope(known, &mut proven, scope)?,
    }
    Ok(proven)
}

fn by_password(known: &Known, identity: &Value) -> Result<Proven, Fault> {
    let user = identity.pointer("/password/user").ok_or_else(|| expected("user", "password"))?;
    let password = text(user, "/password").ok_or_else(|| expected("password", "user"))?;
    let found = find_user(known, user)?;
    if !found.has_password(password) {
        return Err(Fault::unauthorized());
    }
    Ok(Proven { user_id: found.id.clone(), method: "password", ..Proven::default() })
}

fn by_token(known: &Known, identity: &Value) -> Result<Proven, Fault> {
    let id = text(identity, "/token/id").ok_or_else(|| expected("id", "token"))?;
    let token = known.tokens.get(id).filter(|t| t.is_valid()).ok_or_else(Fault::unauthorized)?;
    // Stand-ins must not be traded for more.
    if token.credential_id.is_some() || token.trust_id.is_some() {
        return Err(Fault::unauthorized());
    }
    Ok(Proven {
        user_id: token.user_id.clone(),
        method: "token",
        project_id: token.project_id.clone(),
        roles: token.roles.clone(),
        until: Some(token.expires_at),
        ..Proven::default()
    })
}

fn by_credential(known: &Known, identity: &Value) -> Result<Proven, Fault> {
    let given = identity.get("application_credential");
    let given = given.ok_or_else(|| expected("application_credential", "identity"))?;
    let secret = text(given, "/secret").ok_or_else(|| expected("secret", "application_credential"))?;
    let found = match (text(given, "/id"), text(given, "/name")) {
        (Some(id), _) => known.directory.credentials.iter().find(|c| c.id == id),
        (None, Some(name)) => {
            let user = given.get("user").ok_or_else(|| expected("user", "application_credential"))?;
            let user = find_user(known, user)?;
            known.directory.credentials.iter().find(|c| c.name == name && c.user_id == user.id)
        }
        (None, None) => return Err(expected("id or name", "application_credential")),
    };
    let found = found.filter(|c| c.has_secret(secret)).ok_or_else(Fault::unauthorized)?;
    Ok(Proven {
        user_id: found.user_id.clone(),
        method: "application_credential",
        project_id: Some(found.project_id.clone()),
        roles: known.directory.roles(&found.user_id, &found.project_id),
        credential_id: Some(found.id.clone()),
        ..Proven::default()
    })
}

fn apply_scope(known: &Known, proven: &mut Proven, scope: &Value) -> Result<(), Fault> {
    if let Some(id) = text(scope, "/OS-TRUST:trust/id") {
        let trust = known.directory.trusts.iter().find(|t| t.id == id && t.trustee == proven.user_id);
        let trust = trust.ok_or_else(Fault::unauthorized)?;
        proven.trust_id = Some(trust.id.clone());
        proven.project_id = Some(trust.project_id.clone());
        proven.roles.clone_from(&trust.roles);
        // A token of a trust speaks for the one who trusts.
        proven.user_id.clone_from(&trust.trustor);
        return Ok(());
    }
    let Some(project) = scope.get("project") else {
        return Err(Fault::refused("Only projects and trusts can be scoped to here."));
    };
    let found = match (text(project, "/id"), text(project, "/name")) {
        (Some(id), _) => known.directory.project(id),
        (None, Some(name)) if in_our_domain(project)? => {
            known.directory.projects.iter().find(|p| p.name == name)
        }
        (None, Some(_)) => None,
        (None, None) => return Err(expected("id or name", "project")),
    };
    let found = found.ok_or_else(Fault::unauthorized)?;
    let roles = known.directory.roles(&proven.user_id, &found.id);
    if roles.is_empty() {
        return Err(Fault::refused(format!("User {} has no access to project {}", proven.user_id, found.id)));
    }
    proven.project_id = Some(found.id.clone());
    proven.roles = roles;
    Ok(())
}
