//! The service as faces see it: one job at a time per volume, which goes on when its caller has gone.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::Ledger;
use crate::manage::Progress;
use crate::marks::Marks;
use crate::record::Record;
use crate::request::Request;
use crate::{
    BlockStorage, Error, HostStorage, Nova, Result, Settings, Status, VolumeInfo, VolumeStatus, name as names,
};

/// How long a list waits for Cinder: Docker asks all its drivers and waits for the slowest.
const LIST_WAITS: Duration = Duration::from_millis(40);

/// Docker volumes on Cinder. Cheap to clone; the clones are one service.
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) core: Arc<Core>,
}

/// What all operations share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) marks: Marks,
    pub(crate) ledger: Ledger,
    pub(crate) cloud: Arc<dyn BlockStorage>,
    pub(crate) host: Arc<dyn HostStorage>,
    /// Where volumes come through Nova.
    pub(crate) nova: Option<Nova>,
    pub(crate) progress: Progress,
    /// Held by the one list call under way.
    pub(crate) refreshing: tokio::sync::Mutex<()>,
}

impl Core {
    /// Where the volume is mounted, if it is.
    pub(crate) fn mountpoint(&self, record: &Record) -> Option<PathBuf> {
        record.mounted().then(|| self.host.mountpoint(&record.name))
    }

    pub(crate) fn info(&self, record: &Record) -> VolumeInfo {
        VolumeInfo::of(record, self.mountpoint(record))
    }
}

impl Service {
    /// Reads the journal; asks neither the cloud nor the kernel. Call [`Service::recover`] next.
    ///
    /// # Errors
    /// [`Error::Settings`], or [`Error::Journal`] when the state directory cannot be read.
    pub fn open(
        settings: Settings,
        state: &journal::StateDir,
        cloud: Arc<dyn BlockStorage>,
        host: Arc<dyn HostStorage>,
    ) -> Result<Self> {
        Self::open_with(settings, state, cloud, host, None)
    }

    /// The same for a virtual machine that gets its volumes through Nova.
    ///
    /// # Errors
    /// As [`Service::open`].
    pub fn open_in_server(
        settings: Settings,
        state: &journal::StateDir,
        cloud: Arc<dyn BlockStorage>,
        host: Arc<dyn HostStorage>,
        nova: Nova,
    ) -> Result<Self> {
        Self::open_with(settings, state, cloud, host, Some(nova))
    }

    fn open_with(
        settings: Settings,
        state: &journal::StateDir,
        cloud: Arc<dyn BlockStorage>,
        host: Arc<dyn HostStorage>,
        nova: Option<Nova>,
    ) -> Result<Self> {
        settings.check()?;
        let marks = Marks::new(&settings.label);
        let ledger = Ledger::open(state)?;
        Ok(Self {
            core: Arc::new(Core {
                settings,
                marks,
                ledger,
                cloud,
                host,
                nova,
                progress: Progress::default(),
                refreshing: Default::default(),
            }),
        })
    }

    /// Makes or adopts a volume; see `request.rs` for the options. Repeating it with options that fit is fine.
    ///
    /// # Errors
    /// One line for the user; what was begun is undone.
    pub async fn create(&self, name: &str, options: BTreeMap<String, String>) -> Result<()> {
        names::check(name)?;
        let request = Request::parse(name, &options)?;
        let name = name.to_owned();
        self.job(name.clone(), "create it", move |core| async move { core.create(&name, request).await })
            .await
    }

    /// Deletes a volume we made, gives back one we adopted; an unknown one is removed.
    ///
    /// # Errors
    /// [`Error::InUse`] while it is used here or elsewhere; the cloud's and the host's errors.
    pub async fn remove(&self, name: &str) -> Result<()> {
        names::check(name)?;
        let name = name.to_owned();
        self.job(name.clone(), "remove it", move |core| async move {
            core.remove(&name).await?;
            core.ledger.unlist(&name);
            Ok(())
        })
        .await
    }

    /// Attaches and mounts the volume unless it is, and notes that Docker's `id` uses it.
    ///
    /// # Errors
    /// One line for the user; what was begun is undone.
    pub async fn mount(&self, name: &str, id: &str) -> Result<PathBuf> {
        names::check(name)?;
        let (name, id) = (name.to_owned(), id.to_owned());
        let (core, answer_within) = (self.core.clone(), self.core.settings.answer_within);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (job_name, job_id) = (name.clone(), id.clone());
        tokio::spawn(async move {
            let turn = core.ledger.turn(&job_name).lock_owned().await;
            let result = core.mount(&job_name, &job_id).await;
            let mounted = result.is_ok();
            // Docker sends no Unmount for a Mount whose answer it did not take.
            if sender.send(result).is_err() && mounted {
                core.undelivered(&job_name, &job_id).await;
            }
            drop(turn);
        });
        answer(&name, "mount it", answer_within, receiver).await
    }

    /// Notes that Docker's `id` no longer uses the volume; after the last one it is unmounted and detached, unless
    /// the kernel shows that somebody still uses it.
    ///
    /// # Errors
    /// The host's and the cloud's errors; what could not be done is tried again in the background.
    pub async fn unmount(&self, name: &str, id: &str) -> Result<()> {
        names::check(name)?;
        let (name, id) = (name.to_owned(), id.to_owned());
        self.job(name.clone(), "unmount it", move |core| async move { core.unmount(&name, &id).await }).await
    }

    /// Where the volume is mounted; from memory.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub async fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        names::check(name)?;
        Ok(self.core.ledger.get(name).and_then(|r| self.core.mountpoint(&r)))
    }

    /// The volume, from memory if this host knows it; `None` only if Cinder says so.
    ///
    /// # Errors
    /// Cinder cannot be asked ([`Error::is_cloud_unreachable`]), or several volumes carry the name.
    pub async fn get(&self, name: &str) -> Result<Option<VolumeInfo>> {
        // Docker asks every driver about every name: one that cannot be ours is positively not there.
        if names::check(name).is_err() {
            return Ok(None);
        }
        let record = self.core.find(name).await?;
        Ok(record.map(|r| self.core.info(&r)))
    }

    /// All volumes with our mark, as of now if Cinder answers at once; otherwise this host's and those Cinder last named.
    ///
    /// # Errors
    /// None at present.
    pub async fn list(&self) -> Result<Vec<VolumeInfo>> {
        let core = self.core.clone();
        let refreshed = tokio::spawn(async move { core.refresh_list().await });
        if tokio::time::timeout(LIST_WAITS, refreshed).await.is_err() {
            tracing::debug!("listing what is known, Cinder takes longer");
        }
        Ok(self.core.list())
    }

    /// What this host has in hand; from memory.
    #[must_use]
    pub fn status(&self) -> Status {
        let volumes =
            self.core.ledger.all().iter().map(|r| VolumeStatus::of(r, self.core.mountpoint(r))).collect();
        Status { label: self.core.settings.label.clone(), volumes }
    }

    /// Runs `work` when it is the volume's turn. It goes on when the caller has gone or Docker's time is up.
    pub(crate) async fn job<T, F, W>(&self, name: String, action: &'static str, work: W) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        W: FnOnce(Arc<Core>) -> F + Send + 'static,
    {
        let within = self.core.settings.answer_within;
        self.job_within(within, name, action, work).await
    }

    /// [`Self::job`] for a caller who has more patience than Docker.
    pub(crate) async fn job_within<T, F, W>(
        &self,
        within: Duration,
        name: String,
        action: &'static str,
        work: W,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
        W: FnOnce(Arc<Core>) -> F + Send + 'static,
    {
        let core = self.core.clone();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let job_name = name.clone();
        tokio::spawn(async move {
            let _turn = core.ledger.turn(&job_name).lock_owned().await;
            let result = work(core.clone()).await;
            core.progress.end(&job_name);
            if let Err(Err(error)) = sender.send(result) {
                tracing::warn!(volume = job_name, %error, "failed after its caller had gone");
            }
        });
        answer(&name, action, within, receiver).await
    }
}

async fn answer<T>(
    name: &str,
    action: &'static str,
    within: Duration,
    receiver: tokio::sync::oneshot::Receiver<Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(within, receiver).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::refused(name, format!("cannot {action}: an internal error, see the log"))),
        Err(_) => Err(Error::StillRunning { name: name.to_owned(), action, seconds: within.as_secs() }),
    }
}
