//! Cinder (block storage API v3).

mod attachments;
mod messages;
mod model;
mod snapshots;
mod volumes;

use http::Method;

pub use model::*;

use crate::session::{Call, Microversion};
use crate::{Error, Result, ServiceType, Session};

/// Cinder's calls. Cheap to clone. Microversions are asked for once, by the first call that needs one.
#[derive(Debug, Clone)]
pub struct Client {
    session: Session,
}

/// A feature with the microversion and the release that brought it.
struct Since(Microversion, &'static str);

impl Client {
    /// Cinder as `session` sees it.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session it uses.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn call(&self, method: Method, template: &'static str, ids: &[&str], what: &str) -> Result<Call> {
        let operation = ids.iter().fold(what.to_owned(), |text, id| format!("{text} {id}"));
        Call::new(ServiceType::BlockStorage, method, template, ids, operation)
    }

    /// The newest of these microversions that the service has.
    async fn need(&self, what: &str, needed: &Since, better: &[Microversion]) -> Result<Microversion> {
        let offered = self.session.newest_version(ServiceType::BlockStorage).await?;
        let Since(least, release) = needed;
        if offered < *least {
            return Err(Error::Unsupported {
                service: ServiceType::BlockStorage.as_str(),
                operation: what.to_owned(),
                needed: least.to_string(),
                offered: offered.to_string(),
                release,
            });
        }
        Ok(better.iter().copied().filter(|version| *version <= offered).max().unwrap_or(*least))
    }
}
