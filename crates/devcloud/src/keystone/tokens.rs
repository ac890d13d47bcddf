//! `/v3/auth`: giving out, checking and revoking tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::auth_request::prove;
use super::catalog::catalog as service_catalog;
use super::directory::{DOMAIN_ID, DOMAIN_NAME, Directory, stable_id};
use super::fault::Fault;
use super::{Keystone, Known};
use crate::clock::keystone_time;

const SUBJECT: HeaderName = HeaderName::from_static("x-subject-token");
const AUTH: HeaderName = HeaderName::from_static("x-auth-token");

/// What a token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) user_id: String,
    pub(crate) project_id: Option<String>,
    pub(crate) roles: Vec<&'static str>,
    pub(crate) method: &'static str,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) trust_id: Option<String>,
    pub(crate) credential_id: Option<String>,
    audit_id: String,
}

impl Token {
    pub(crate) fn is_valid(&self) -> bool {
        Timestamp::now() < self.expires_at
    }

    fn render(&self, directory: &Directory, base: &str, with_catalog: bool) -> Value {
        let domain = json!({"id": DOMAIN_ID, "name": DOMAIN_NAME});
        let user = directory.user(&self.user_id).map(|u| u.name.as_str()).unwrap_or_default();
        let mut token = json!({
            "methods": [self.method],
            "user": {"id": self.user_id, "name": user, "domain": domain, "password_expires_at": null},
            "audit_ids": [self.audit_id],
            "issued_at": keystone_time(self.issued_at),
            "expires_at": keystone_time(self.expires_at),
        });
        let Some(map) = token.as_object_mut() else { return token };
        if let Some(project) = self.project_id.as_deref().and_then(|id| directory.project(id)) {
            map.insert("project".into(), json!({"id": project.id, "name": project.name, "domain": domain}));
            let roles = self.roles.iter().map(|name| json!({"id": stable_id("role", name), "name": name}));
            map.insert("roles".into(), roles.collect());
            map.insert("is_domain".into(), false.into());
            if with_catalog {
                map.insert("catalog".into(), service_catalog(base, &project.id));
            }
        }
        if let Some(trust) = directory.trusts.iter().find(|t| Some(&t.id) == self.trust_id.as_ref()) {
            map.insert(
                "OS-TRUST:trust".into(),
                json!({"id": trust.id, "trustor_user": {"id": trust.trustor}, "trustee_user": {"id": trust.trustee},
                       "impersonation": true}),
            );
        }
        if let Some(found) = directory.credentials.iter().find(|c| Some(&c.id) == self.credential_id.as_ref())
        {
            map.insert(
                "application_credential".into(),
                json!({"id": found.id, "name": found.name, "restricted": true}),
            );
        }
        token
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// The valid token of the header `X-Auth-Token`.
fn own_token(known: &Known, headers: &HeaderMap) -> Result<Token, Fault> {
    let text = header(headers, &AUTH).ok_or_else(Fault::unauthorized)?;
    known.tokens.get(&text).filter(|t| t.is_valid()).cloned().ok_or_else(Fault::unauthorized)
}

/// `POST /v3/auth/tokens`.
pub(crate) async fn issue(
    State(service): State<Arc<Keystone>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Response, Fault> {
    let body: Value =
        serde_json::from_slice(&body).map_err(|_| Fault::bad("Malformed json in request body"))?;
    let with_catalog = !query.unwrap_or_default().contains("nocatalog");
    let lifetime = SignedDuration::try_from(service.lifetime).unwrap_or(SignedDuration::from_hours(1));
    let (text, rendered) = service.with(|known| {
        let proven = prove(known, &body)?;
        let issued_at = Timestamp::now();
        let expires_at = proven.until.or_else(|| issued_at.checked_add(lifetime).ok()).unwrap_or(issued_at);
        let token = Token {
            user_id: proven.user_id,
            project_id: proven.project_id,
            roles: proven.roles,
            method: proven.method,
            issued_at,
            expires_at,
            trust_id: proven.trust_id,
            credential_id: proven.credential_id,
            audit_id: Uuid::new_v4().simple().to_string(),
        };
        known.tokens.retain(|_, t| t.is_valid());
        let text = format!("gAAAA{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let rendered = token.render(&known.directory, &service.public_url, with_catalog);
        known.tokens.insert(text.clone(), token);
        Ok((text, rendered))
    })?;
    Ok((StatusCode::CREATED, [(SUBJECT, text)], Json(json!({"token": rendered}))).into_response())
}

/// `GET` and `HEAD /v3/auth/tokens`.
pub(crate) async fn validate(
    State(service): State<Arc<Keystone>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let subject = header(&headers, &SUBJECT).ok_or_else(|| Fault::bad("X-Subject-Token is missing"))?;
    let rendered = service.with(|known| {
        own_token(known, &headers)?;
        let token = known.tokens.get(&subject).filter(|t| t.is_valid());
        let token = token.ok_or_else(|| Fault::not_found("Could not recognize Fernet token"))?;
        Ok(token.render(&known.directory, &service.public_url, true))
    })?;
    Ok(([(SUBJECT, subject)], Json(json!({"token": rendered}))).into_response())
}

/// `DELETE /v3/auth/tokens`.
pub(crate) async fn revoke(
    State(service): State<Arc<Keystone>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let subject = header(&headers, &SUBJECT).ok_or_else(|| Fault::bad("X-Subject-Token is missing"))?;
    service.with(|known| {
        own_token(known, &headers)?;
        let gone = known.tokens.remove(&subject);
        gone.map(|_| ()).ok_or_else(|| Fault::not_found("Could not recognize Fernet token"))
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v3/auth/catalog`.
pub(crate) async fn catalog(
    State(service): State<Arc<Keystone>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let token = service.with(|known| own_token(known, &headers))?;
    let catalog = token.project_id.map(|id| service_catalog(&service.public_url, &id));
    Ok(Json(json!({"catalog": catalog.unwrap_or_else(|| json!([]))})).into_response())
}

/// `GET /v3/auth/projects`.
pub(crate) async fn projects(
    State(service): State<Arc<Keystone>>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let projects: Vec<Value> = service.with(|known| {
        let token = own_token(known, &headers)?;
        let mine = known.directory.projects.iter();
        let mine = mine.filter(|p| !known.directory.roles(&token.user_id, &p.id).is_empty());
        Ok(mine
            .map(|p| json!({"id": p.id, "name": p.name, "domain_id": DOMAIN_ID, "enabled": true}))
            .collect())
    })?;
    Ok(Json(json!({"projects": projects})).into_response())
}
