//! From where a share is mounted.

use host_storage::shares::Export;

use super::Shares;
use super::record::ShareRecord;
use crate::{Error, Result};

impl Shares {
    /// The exports this host may try, the best first.
    pub(super) async fn exports(&self, record: &ShareRecord) -> Result<Vec<Export>> {
        let name = &record.name;
        let Some(protocol) = record.protocol() else {
            return Err(Error::refused(
                name,
                format!("it speaks {}, which cannot be mounted here", record.protocol),
            ));
        };
        let mut locations = self
            .cloud
            .list_export_locations(record.id())
            .await
            .map_err(|e| Error::cloud(name, "look where it is exported", e))?;
        locations.retain(|l| !l.is_admin_only);
        locations.sort_by_key(|l| !l.preferred);
        let mut exports = Vec::new();
        let mut refusals = Vec::new();
        for location in &locations {
            match Export::parse(protocol, &location.path) {
                Ok(export) if self.settings.my_ip.is_some_and(|own| !export.is_in_reach_of(own)) => {
                    refusals.push(format!("{} is of another address family than my_ip", export.source()));
                }
                Ok(export) => exports.push(export),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        if exports.is_empty() {
            let why = if refusals.is_empty() { "it has none".to_owned() } else { refusals.join("; ") };
            return Err(Error::refused(
                name,
                format!("share {} has no export location this host can use: {why}", record.id()),
            ));
        }
        Ok(exports)
    }

    /// Whether a mounted share is still exported where it was mounted from; what is mounted goes on working as long as
    /// the storage serves it.
    pub(super) async fn check_export(&self, record: &ShareRecord) -> Result<()> {
        let Some(mounted) = &record.mounted else { return Ok(()) };
        let exports = self.exports(record).await?;
        if exports.iter().any(|e| e.source() == mounted.export) {
            return Ok(());
        }
        let now: Vec<_> = exports.iter().map(Export::source).collect();
        Err(Error::refused(
            &record.name,
            format!(
                "it is mounted from {}, but exported from {} now; restart its containers soon",
                mounted.export,
                now.join(", ")
            ),
        ))
    }
}
