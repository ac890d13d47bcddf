//! A new volume with the content of another.

use std::collections::BTreeMap;

use crate::{Error, Result, Service};

impl Service {
    /// Makes the volume `name` as a copy of `source`, with `options` as for [`Service::create`]. A source that is mounted
    /// here is written back first; the copy holds what was on the device at that moment.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no `source`; those of [`Service::create`].
    pub async fn clone_volume(
        &self,
        source: &str,
        name: &str,
        mut options: BTreeMap<String, String>,
    ) -> Result<()> {
        crate::name::check(source)?;
        self.refuse_if_a_share(source, "copies").await?;
        let core = &self.core;
        let record = core.find(source).await?.ok_or_else(|| Error::NotFound { name: source.to_owned() })?;
        if record.mounted() {
            core.host.sync(&record.name).await.map_err(|e| Error::host(source, e))?;
        }
        options.insert("source_volid".to_owned(), record.id().to_owned());
        self.create_patiently(name, options).await
    }

    /// [`Service::create`] for a caller who waits longer than Docker.
    ///
    /// # Errors
    /// Those of [`Service::create`], but for [`Error::StillRunning`].
    pub async fn create_patiently(&self, name: &str, options: BTreeMap<String, String>) -> Result<()> {
        loop {
            match self.create(name, options.clone()).await {
                // The repeat joins what is going on.
                Err(Error::StillRunning { .. }) => {}
                other => return other,
            }
        }
    }
}
