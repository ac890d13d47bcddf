//! Mounting: be let in, mount, prove, and only then answer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use host_storage::connector::Secrets;
use host_storage::shares::{Export, MountOptions, Protocol, ShareMount};
use secrecy::ExposeSecret;

use super::Shares;
use super::access::Granted;
use super::record::{Mounted, ShareRecord, Stage};
use crate::record::Origin;
use crate::{Error, Result};

impl Shares {
    pub(crate) async fn mount(&self, name: &str, id: &str) -> Result<PathBuf> {
        self.ledger.set_due(name, None);
        let not_found = || Error::NotFound { name: name.to_owned() };
        let mut record = self.find(name).await?.ok_or_else(not_found)?;
        if matches!(record.stage, Stage::Deleting | Stage::GivingBack) {
            return Err(Error::refused(name, "it is being removed; create it again"));
        }
        if let Some(path) = self.mounted_already(&mut record, id).await? {
            self.ledger.note_mount(name);
            return Ok(path);
        }
        if record.mounted.is_some() {
            // Half-done by a former attempt, or gone with an earlier boot: end that first. The rule still serves.
            self.unmount_here(&mut record).await?;
        }
        let path = self.mount_now(&mut record, id).await?;
        self.ledger.note_mount(name);
        Ok(path)
    }

    /// The path, without any call of the cloud, if the kernel confirms what the journal says.
    async fn mounted_already(&self, record: &mut ShareRecord, id: &str) -> Result<Option<PathBuf>> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        let (true, Some(export)) = (record.is_mounted(), self.mounted_export(record)?) else {
            return Ok(None);
        };
        if !self.host.share_usage(&name, &export).await.map_err(failed)?.mounted {
            return Ok(None);
        }
        // Mounting what is mounted proves it, and that its server answers: dockerd would wait for that for ever.
        let what = self.share_mount(record, export, &Granted::default())?;
        let path = self.host.mount_share(&name, &what).await.map_err(failed)?;
        let count = record.references.entry(id.to_owned()).or_default();
        *count = count.saturating_add(1);
        record.doubtful |= *count > 1;
        self.ledger.save(record)?;
        Ok(Some(path))
    }

    async fn mount_now(&self, record: &mut ShareRecord, id: &str) -> Result<PathBuf> {
        let name = record.name.clone();
        record.stage = Stage::Mounting;
        record.references.clear();
        record.doubtful = false;
        record.trouble = None;
        self.ledger.save(record)?;
        match self.be_let_in_and_mount(record, id).await {
            Ok(path) => Ok(path),
            Err(error) => {
                record.trouble = Some(error.to_string());
                if let Err(again) = self.let_go(record).await {
                    tracing::warn!(share = name, error = %again, "cannot undo the mount yet, tried again later");
                }
                if record.mounted.is_none()
                    && may_be_gone(&error)
                    && matches!(self.look(record).await, Ok(None))
                {
                    // Another host removed it.
                    self.ledger.remove(&name)?;
                    return Err(Error::NotFound { name });
                }
                Err(error)
            }
        }
    }

    async fn be_let_in_and_mount(&self, record: &mut ShareRecord, id: &str) -> Result<PathBuf> {
        let name = record.name.clone();
        let boot_id = self.host.boot_id().await.map_err(|e| Error::host(&name, e))?;
        // At the same time: neither needs the other.
        let seen = record.clone();
        let (granted, exports) = tokio::join!(self.access(record), self.exports(&seen));
        let (granted, exports) = (granted?, exports?);
        self.exports_checked.note(&name);
        self.mark_used(record).await?;
        let path = self.mount_first_of(record, exports, &granted, &boot_id).await?;
        self.give_root(record).await?;
        record.stage = Stage::Mounted;
        record.references = BTreeMap::from([(id.to_owned(), 1)]);
        self.ledger.save(record)?;
        Ok(path)
    }

    /// A share may have several exports, and not all of them need to be reachable.
    async fn mount_first_of(
        &self,
        record: &mut ShareRecord,
        exports: Vec<Export>,
        granted: &Granted,
        boot_id: &str,
    ) -> Result<PathBuf> {
        let name = record.name.clone();
        let mut failure = None;
        for export in exports {
            let source = export.source().to_owned();
            record.mounted = Some(Mounted { boot_id: boot_id.to_owned(), export: source.clone() });
            self.ledger.save(record)?;
            let what = self.share_mount(record, export, granted)?;
            match self.host.mount_share(&name, &what).await {
                Ok(path) => return Ok(path),
                Err(error) => {
                    tracing::warn!(share = name, export = source, %error, "cannot mount it from there");
                    // Before the next one is tried, nothing of this one may be left.
                    self.host.unmount_share(&name, &what.export).await.map_err(|e| Error::host(&name, e))?;
                    failure = Some(error);
                }
            }
        }
        Err(failure
            .map_or_else(|| Error::refused(&name, "it has no export"), |error| Error::host(&name, error)))
    }

    fn share_mount(&self, record: &ShareRecord, export: Export, granted: &Granted) -> Result<ShareMount> {
        let name = &record.name;
        let protocol = export.protocol();
        let secrets = match protocol {
            Protocol::Cifs => self.settings.identities.cifs.clone(),
            Protocol::CephFs => Secrets {
                user: self.settings.identities.cephx.clone(),
                password: granted.key.as_ref().map(|k| k.expose_secret().to_owned()),
            },
            Protocol::Nfs | Protocol::GlusterFs => Secrets::default(),
        };
        Ok(ShareMount {
            options: MountOptions::parse(protocol, &record.how.options).map_err(|e| Error::host(name, e))?,
            read_only: record.how.read_only,
            subdir: record.how.subdir.clone(),
            // In the user's own share nothing is made.
            make_subdir: record.origin == Origin::Created,
            export,
            secrets,
        })
    }

    pub(super) fn mounted_export(&self, record: &ShareRecord) -> Result<Option<Export>> {
        match (&record.mounted, record.protocol()) {
            (Some(mounted), Some(protocol)) => {
                Export::parse(protocol, &mounted.export).map(Some).map_err(|e| Error::host(&record.name, e))
            }
            _ => Ok(None),
        }
    }

    /// From now on it may hold a user's data, which its maker cannot see otherwise if it was killed while making it.
    async fn mark_used(&self, record: &mut ShareRecord) -> Result<()> {
        if !record.visiting || record.origin != Origin::Created || record.marked_used {
            return Ok(());
        }
        self.cloud
            .merge_metadata(record.id(), &self.marks.used())
            .await
            .map_err(|e| Error::cloud(&record.name, "mark it as used", e))?;
        record.marked_used = true;
        Ok(())
    }

    /// At the first use of a share of ours.
    async fn give_root(&self, record: &mut ShareRecord) -> Result<()> {
        if record.origin != Origin::Created || record.root.is_empty() {
            return Ok(());
        }
        let name = record.name.clone();
        // Another host may have done so since, and a user may have changed it after that.
        let Some(share) = self.look(record).await? else { return Err(Error::NotFound { name }) };
        if self.marks.root_of(&share).is_empty() {
            record.root = Default::default();
            return self.ledger.save(record);
        }
        self.host.set_root(&name, &record.root).await.map_err(|e| Error::host(&name, e))?;
        self.cloud
            .merge_metadata(record.id(), &self.marks.root_done())
            .await
            .map_err(|e| Error::cloud(&name, "note that its root has its owner and mode", e))?;
        record.root = Default::default();
        Ok(())
    }
}

/// Manila answers 400 for the rules of a share that is not there, 404 for all else of it.
fn may_be_gone(error: &Error) -> bool {
    matches!(error, Error::Cloud { source, .. } if matches!(source.status(), Some(400 | 404)))
}
