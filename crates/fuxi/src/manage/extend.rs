//! Growing a volume, mounted or not.

use tokio::time::Instant;

use crate::attach::GIB;
use crate::record::Record;
use crate::service::Core;
use crate::{Error, Provider, Result, Service};

impl Service {
    /// Grows the volume to `gib` GiB, and its filesystem if it is mounted here; otherwise that grows at the next Mount.
    /// Returns the size it has now. A volume that is as large or larger is left as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] for less than it has; the cloud's and the host's errors. Repeating it
    /// goes on where it ended.
    pub async fn extend(&self, name: &str, gib: u64) -> Result<u64> {
        crate::name::check(name)?;
        let name = name.to_owned();
        let service = self.clone();
        self.job_within(super::OPERATOR, name.clone(), "extend it", move |core| async move {
            if let (Provider::Manila, Some(shares)) = (service.owner(&name).await?, &service.shares) {
                return shares.extend(&name, gib).await;
            }
            let mut record = core.find(&name).await?.ok_or_else(|| Error::NotFound { name: name.clone() })?;
            core.grow_volume(&mut record, gib).await?;
            if record.mounted() {
                core.progress.note(&name, "growing the filesystem");
                core.grow_mounted(&mut record).await?;
            }
            Ok(record.size)
        })
        .await
    }
}

impl Core {
    async fn grow_volume(&self, record: &mut Record, gib: u64) -> Result<()> {
        let name = record.name.clone();
        let failed = |e| Error::cloud(&name, "extend it", e);
        let before = self.cloud.get_volume(record.id()).await.map_err(failed)?;
        if gib < before.size {
            return Err(Error::refused(
                &name,
                format!("it has {} GiB already; a volume cannot shrink", before.size),
            ));
        }
        if gib > before.size {
            match self.cloud.extend_volume(record.id(), gib).await {
                // What follows shows whether it was done.
                Err(error) if !error.effect_unknown() => return Err(failed(error)),
                _ => {}
            }
        }
        let started = Instant::now();
        let mut pause = self.settings.poll_first;
        loop {
            let volume = self.cloud.get_volume(record.id()).await.map_err(failed)?;
            let rests = ["available", "in-use"].contains(&volume.status.as_str());
            if volume.size >= gib && rests {
                record.size = volume.size;
                // Only what this host has in hand is written down here.
                if self.ledger.get(&name).is_some() {
                    self.ledger.save(record)?;
                }
                return Ok(());
            }
            if volume.status.starts_with("error") || started.elapsed() > self.settings.cloud_patience {
                let why = self.cloud.explain(record.id()).await.ok().flatten();
                return Err(Error::refused(
                    &name,
                    format!(
                        "Cinder did not extend it (status {}, {} GiB){}",
                        volume.status,
                        volume.size,
                        why.map(|text| format!(": {text}")).unwrap_or_default()
                    ),
                ));
            }
            self.progress.note(&name, format!("Cinder volume {}: {}", volume.id, volume.status));
            self.wait(&mut pause).await;
        }
    }

    /// Has the kernel see the new size and the filesystem use it.
    async fn grow_mounted(&self, record: &mut Record) -> Result<()> {
        let name = record.name.clone();
        let failed = |e| Error::host(&name, e);
        let Some(attached) = record.attached.clone() else { return Ok(()) };
        let (Some(device), Some(filesystem)) = (attached.device, attached.mounted) else { return Ok(()) };
        let size = record.size.saturating_mul(GIB);
        let grown = self.host.resize(&device, size).await.map_err(failed)?;
        if let Some(attached) = &mut record.attached {
            attached.device = Some(grown.clone());
        }
        self.ledger.save(record)?;
        self.host.grow(&grown, filesystem, &name).await.map_err(failed)
    }
}
