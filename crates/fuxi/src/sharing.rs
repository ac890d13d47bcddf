//! Who may have a volume beside whom: one writer, or any number of readers, or hosts that come to terms by themselves.

use crate::record::Record;
use crate::request::Request;
use crate::service::Core;
use crate::{Error, Result};

impl Core {
    /// Refuses what would destroy a filesystem, or have a reader see it change beneath him. Of two hosts that attach at
    /// once each sees the other here, because both have claimed before they look.
    pub(crate) async fn refuse_bad_company(&self, record: &Record, own: &str) -> Result<()> {
        if !record.multiattach || record.is_shared() {
            return Ok(());
        }
        if record.is_reader() {
            self.refuse_beside_writer(record, own).await
        } else {
            self.refuse_second_writer(record, own).await
        }
    }

    async fn refuse_beside_writer(&self, record: &Record, own: &str) -> Result<()> {
        let name = &record.name;
        let all = self
            .cloud
            .list_attachments_in_detail(record.id())
            .await
            .map_err(|e| Error::cloud(name, "look at its attachments", e))?;
        // What is not known to read only may write.
        match all.iter().find(|a| a.id != own && a.attach_mode.as_deref() != Some("ro")) {
            None => Ok(()),
            Some(writer) => Err(Error::InUse {
                name: name.clone(),
                by: format!(
                    "attachment {} may write to it, and a reader would see it change beneath him; detach it there",
                    writer.id
                ),
            }),
        }
    }

    /// The volume type for a volume that several hosts may attach, if that is what is asked for.
    pub(crate) async fn multiattach_type(&self, name: &str, request: &Request) -> Result<Option<String>> {
        let settings = &self.settings;
        let by_default =
            settings.default_multiattach && request.volume_type.is_none() && request.multiattach.is_none();
        if request.multiattach != Some(true) && !by_default {
            return Ok(None);
        }
        if let (None, Some(configured)) = (&request.volume_type, &settings.multiattach_type) {
            return Ok(Some(configured.clone()));
        }
        let all =
            self.cloud.list_volume_types().await.map_err(|e| {
                Error::cloud(name, "look for a volume type that allows several attachments", e)
            })?;
        let able: Vec<_> = all.iter().filter(|t| t.is_multiattach()).collect();
        let names = able.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ");
        let refused = |reason: String| Err(Error::refused(name, reason));
        match (&request.volume_type, able.as_slice()) {
            (Some(asked), _) if able.iter().any(|t| t.name == *asked || t.id == *asked) => Ok(None),
            (_, []) => refused(
                "multiattach needs a volume type with the property multiattach, and this project sees none; ask the cloud's operator".into(),
            ),
            (Some(asked), _) => refused(format!(
                "volume type {asked} does not allow several attachments; these do: {names}"
            )),
            (None, [only]) => Ok(Some(only.name.clone())),
            (None, _) => refused(format!(
                "several volume types allow several attachments; choose with volume_type= or set [cinder] multiattach_type: {names}"
            )),
        }
    }
}
