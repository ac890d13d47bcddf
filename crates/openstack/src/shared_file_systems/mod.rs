//! Manila (shared file systems API v2).

mod access;
mod explanation;
mod model;
mod paging;
mod shares;
mod snapshots;

use http::Method;

pub use model::*;

use crate::session::{Call, Microversion};
use crate::{Error, Result, ServiceType, Session};

/// What this client knows to speak, with the release that brought it: plain action names and export locations, the
/// preferred ones among them, creation from snapshots, a state of each rule, messages, IPv6 rules, counted lists, rules
/// by themselves, the default type, no export locations of replicas that only follow. Calls are made at the newest of
/// these that the service has.
const KNOWN: [(Microversion, &str); 10] = [
    (EXPORTS, "Mitaka"),
    (Microversion(2, 14), "Mitaka"),
    (Microversion(2, 24), "Ocata"),
    (Microversion(2, 28), "Ocata"),
    (MESSAGES, "Pike"),
    (Microversion(2, 38), "Pike"),
    (COUNT, "Queens"),
    (RULES, "Rocky"),
    (Microversion(2, 46), "Rocky"),
    (Microversion(2, 47), "Stein"),
];

/// `GET /shares/{id}/export_locations`, and the least for any call.
const EXPORTS: Microversion = Microversion(2, 9);
/// `GET /messages`.
const MESSAGES: Microversion = Microversion(2, 37);
/// `with_count` in lists of shares.
const COUNT: Microversion = Microversion(2, 42);
/// `GET /share-access-rules`, and metadata of rules.
const RULES: Microversion = Microversion(2, 45);

/// Manila's calls. Cheap to clone. Microversions are asked for once, by the first call.
#[derive(Debug, Clone)]
pub struct Client {
    session: Session,
}

impl Client {
    /// Manila as `session` sees it.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session it uses.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// A call at the newest microversion both sides know, at least `least`; told with it.
    async fn call(
        &self,
        least: Microversion,
        method: Method,
        template: &'static str,
        ids: &[&str],
        what: &str,
    ) -> Result<(Call, Microversion)> {
        let operation = ids.iter().fold(what.to_owned(), |text, id| format!("{text} {id}"));
        let call = Call::new(ServiceType::SharedFileSystems, method, template, ids, operation.as_str())?;
        let version = self.version(least, &operation).await?;
        Ok((call.share_version(version), version))
    }

    async fn version(&self, least: Microversion, operation: &str) -> Result<Microversion> {
        let offered = self.session.newest_version(ServiceType::SharedFileSystems).await?;
        let newest = KNOWN.iter().map(|(version, _)| *version).filter(|version| *version <= offered).max();
        newest.filter(|version| *version >= least).ok_or_else(|| Error::Unsupported {
            service: ServiceType::SharedFileSystems.as_str(),
            operation: operation.to_owned(),
            needed: least.to_string(),
            offered: offered.to_string(),
            release: KNOWN.iter().find(|(version, _)| *version == least).map_or("Mitaka", |(_, name)| name),
        })
    }
}
