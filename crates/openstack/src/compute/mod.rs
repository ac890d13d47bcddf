//! Nova (compute API v2.1): servers and the volumes they have.

mod model;
mod servers;
mod volume_attachments;

use http::Method;

pub use model::*;

use crate::session::{Call, Microversion};
use crate::{Result, ServiceType, Session};

/// Nova's calls. Cheap to clone. Microversions are asked for once, by the first call that gains from one.
#[derive(Debug, Clone)]
pub struct Client {
    session: Session,
}

impl Client {
    /// Nova as `session` sees it.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// The session it uses.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// A call, at this microversion if the service has it, otherwise at its first one.
    async fn call(
        &self,
        method: Method,
        template: &'static str,
        ids: &[&str],
        operation: String,
        better: Option<Microversion>,
    ) -> Result<Call> {
        let call = Call::new(ServiceType::Compute, method, template, ids, operation)?;
        match better {
            Some(better) if self.session.newest_version(ServiceType::Compute).await? >= better => {
                Ok(call.version(better))
            }
            _ => Ok(call),
        }
    }
}
