//! Detaching by hand: for a volume whose last Unmount never came.

use crate::{Error, Provider, Result, Service};

impl Service {
    /// Unmounts and detaches the volume from this host now; a share is unmounted, and our rule for this host ended. Docker's references do not count, the kernel's users do.
    ///
    /// # Errors
    /// [`Error::InUse`] names who uses it; nothing was changed then. [`Error::Refused`] if it is not attached here.
    pub async fn detach(&self, name: &str) -> Result<()> {
        crate::name::check(name)?;
        let (service, name) = (self.clone(), name.to_owned());
        self.job_within(super::OPERATOR, name.clone(), "detach it", move |core| async move {
            if let (Some(Provider::Manila), Some(shares)) = (service.known_owner(&name), &service.shares) {
                core.progress.note(&name, "unmounting");
                return shares.detach(&name).await;
            }
            let Some(mut record) = core.ledger.get(&name).filter(|r| r.attached.is_some()) else {
                return Err(Error::refused(&name, "it is not attached to this host"));
            };
            core.progress.note(&name, "unmounting and detaching");
            core.detach(&mut record).await
        })
        .await
    }
}
