//! Which provider a name belongs to: one name is one volume, over all of them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::service::Service;
use crate::{Error, Result};

/// Where volumes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Volumes of Cinder.
    Cinder,
    /// Shares of Manila.
    Manila,
}

/// The option that names one.
const KEY: &str = "volume_provider";

impl Provider {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Cinder, Self::Manila];

    /// As it is written in `volume_providers` and the option `volume_provider`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cinder => "cinder",
            Self::Manila => "manila",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Cinder => Self::Manila,
            Self::Manila => Self::Cinder,
        }
    }
}

impl Service {
    pub(crate) fn serves(&self, provider: Provider) -> bool {
        self.providers.contains(&provider)
    }

    /// The provider that the options ask for. Taken out, for no provider has an option of that name.
    pub(crate) fn asked_for(
        &self,
        name: &str,
        options: &mut BTreeMap<String, String>,
    ) -> Result<Option<Provider>> {
        let Some(value) = options.remove(KEY) else { return Ok(None) };
        let served: Vec<_> = self.providers.iter().map(|p| p.name()).collect();
        match self.providers.iter().find(|p| p.name() == value) {
            Some(provider) => Ok(Some(*provider)),
            None => Err(Error::OptionValue {
                name: name.to_owned(),
                key: KEY,
                value,
                reason: format!("volume_providers has {}", served.join(", ")),
            }),
        }
    }

    /// Where a volume is to be made. Without a wish it is the default provider, unless another one has that name:
    /// Docker repeats a creation without options when it could not learn that the volume exists.
    ///
    /// # Errors
    /// Another provider than the one asked for has the name, or cannot be asked.
    pub(crate) async fn place(&self, name: &str, asked: Option<Provider>) -> Result<Provider> {
        let place = asked.or_else(|| self.providers.first().copied()).unwrap_or(Provider::Cinder);
        let other = place.other();
        match (self.has(other, name).await?, asked) {
            (false, _) => Ok(place),
            (true, None) => Ok(other),
            (true, Some(_)) => Err(Error::refused(
                name,
                format!("there is one of that name in {} already; choose another name", other.name()),
            )),
        }
    }

    async fn has(&self, provider: Provider, name: &str) -> Result<bool> {
        if self.knows(provider, name) {
            return Ok(true);
        }
        if !self.serves(provider) {
            return Ok(false);
        }
        match (provider, &self.shares) {
            (Provider::Cinder, _) => Ok(self.core.find(name).await?.is_some()),
            (Provider::Manila, Some(shares)) => Ok(shares.find(name).await?.is_some()),
            (Provider::Manila, None) => Ok(false),
        }
    }

    /// From memory.
    fn knows(&self, provider: Provider, name: &str) -> bool {
        match provider {
            Provider::Cinder => self.core.ledger.get(name).is_some(),
            Provider::Manila => self.shares.as_ref().is_some_and(|s| s.ledger.get(name).is_some()),
        }
    }

    /// The provider whose volume this is, from memory; none if no journal of this host names it.
    pub(crate) fn known_owner(&self, name: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|p| self.knows(*p, name))
    }

    /// The provider whose volume this is. For a name that none has it is the first: it then says so itself.
    ///
    /// # Errors
    /// Both have one; or it was not found, and not all could be asked.
    pub(crate) async fn owner(&self, name: &str) -> Result<Provider> {
        if let Some(owner) = self.known_owner(name) {
            return Ok(owner);
        }
        let first = self.providers.first().copied().unwrap_or(Provider::Cinder);
        let (Some(shares), true) = (&self.shares, self.providers.len() > 1) else { return Ok(first) };
        // What one of them has just said no to is the other's business.
        let fresh = self.core.settings.absent_for;
        match (self.core.ledger.is_absent(name, fresh), shares.ledger.is_absent(name, fresh)) {
            (true, true) => return Ok(first),
            (true, false) => return Ok(Provider::Manila),
            (false, true) => return Ok(Provider::Cinder),
            (false, false) => {}
        }
        match tokio::join!(self.core.find(name), shares.find(name)) {
            (Ok(Some(volume)), Ok(Some(share))) => Err(Error::refused(
                name,
                format!(
                    "it is Cinder volume {} and Manila share {} at once; remove docker_volume_name from one of them",
                    volume.id(),
                    share.id()
                ),
            )),
            (Ok(Some(_)), _) => Ok(Provider::Cinder),
            (_, Ok(Some(_))) => Ok(Provider::Manila),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(None), Ok(None)) => Ok(first),
        }
    }
}
