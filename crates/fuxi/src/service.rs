//! The service as faces see it: one job at a time per volume, which goes on when its caller has gone.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::ledger::{Ledger, Turns};
use crate::manage::Progress;
use crate::marks::Marks;
use crate::record::Record;
use crate::request::Request;
use crate::share::{ShareHost, ShareSettings, SharedFileSystems, Shares};
use crate::{
    BlockStorage, Error, HostStorage, Nova, Provider, Result, Settings, Status, VolumeInfo, VolumeStatus,
    name as names,
};

/// How long a list waits for the cloud: Docker asks all its drivers and waits for the slowest.
const LIST_WAITS: Duration = Duration::from_millis(40);

/// Docker volumes on Cinder and Manila. Cheap to clone; the clones are one service.
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) core: Arc<Core>,
    /// Manila's half.
    pub(crate) shares: Option<Arc<Shares>>,
    /// In the order of their search; the first is the default.
    pub(crate) providers: Vec<Provider>,
    turns: Turns,
}

/// What all operations on Cinder's volumes share.
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
        record.mounted().then(|| self.place(record))
    }

    /// Where its containers find it when it is mounted.
    pub(crate) fn place(&self, record: &Record) -> PathBuf {
        let top = self.host.mountpoint(&record.name);
        record.subdirectory().map_or(top.clone(), |s| top.join(s))
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
        let turns = Turns::default();
        let ledger = Ledger::open(state, turns.clone())?;
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
            shares: None,
            providers: vec![Provider::Cinder],
            turns,
        })
    }

    /// Serves shares too, or only: `providers` in the order of their search, the first is the default. Without Cinder
    /// among them, open the service with [`crate::NotServed`]. Without Manila among them, give that as `cloud`: shares of
    /// an earlier configuration keep their names, and what is mounted of them can be unmounted.
    ///
    /// # Errors
    /// [`Error::Settings`], or [`Error::Journal`].
    pub fn with_shares(
        mut self,
        providers: &[Provider],
        settings: ShareSettings,
        state: &journal::StateDir,
        cloud: Arc<dyn SharedFileSystems>,
        host: Arc<dyn ShareHost>,
    ) -> Result<Self> {
        let common = self.core.settings.clone();
        self.providers = providers.to_vec();
        let (served, turns) = (self.serves(Provider::Manila), self.turns.clone());
        let shares = Shares::open(common, settings, served, state, turns, cloud, host)?;
        if !served {
            for record in shares.ledger.all() {
                tracing::error!(share = record.name, "is Manila's, which volume_providers does not name");
            }
        }
        self.shares = Some(Arc::new(shares));
        if !self.serves(Provider::Cinder) {
            for record in self.core.ledger.all() {
                tracing::error!(volume = record.name, "is Cinder's, which volume_providers does not name");
            }
        }
        Ok(self)
    }

    /// Makes or adopts a volume; see `request.rs` for the options. Repeating it with options that fit is fine.
    ///
    /// # Errors
    /// One line for the user; what was begun is undone.
    pub async fn create(&self, name: &str, mut options: BTreeMap<String, String>) -> Result<()> {
        names::check(name)?;
        let asked = self.asked_for(name, &mut options)?;
        // What no provider could take needs no provider's answer.
        let default = asked.or_else(|| self.providers.first().copied());
        self.check_options(name, &options, default)?;
        let (service, name) = (self.clone(), name.to_owned());
        self.job(name.clone(), "create it", move |core| async move {
            match (service.place(&name, asked).await?, &service.shares) {
                (Provider::Manila, Some(shares)) => shares.create(&name, &options).await,
                _ => core.create(&name, Request::parse(&name, &options)?).await,
            }
        })
        .await
    }

    fn check_options(
        &self,
        name: &str,
        options: &BTreeMap<String, String>,
        provider: Option<Provider>,
    ) -> Result<()> {
        match (provider, &self.shares) {
            // An existing volume of the other provider may be meant, by its own options.
            _ if self.known_owner(name).is_some_and(|owner| Some(owner) != provider) => Ok(()),
            (Some(Provider::Manila), Some(shares)) => shares.check_options(name, options),
            _ => Request::parse(name, options).map(drop),
        }
    }

    /// Deletes a volume we made, gives back one we adopted; an unknown one is removed.
    ///
    /// # Errors
    /// [`Error::InUse`] while it is used here or elsewhere; the cloud's and the host's errors.
    pub async fn remove(&self, name: &str) -> Result<()> {
        names::check(name)?;
        let (service, name) = (self.clone(), name.to_owned());
        self.job(name.clone(), "remove it", move |core| async move {
            if let (Provider::Manila, Some(shares)) = (service.owner(&name).await?, &service.shares) {
                shares.remove(&name).await?;
                shares.ledger.unlist(&name);
                return Ok(());
            }
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
        let (service, answer_within) = (self.clone(), self.core.settings.answer_within);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (job_name, job_id) = (name.clone(), id.clone());
        tokio::spawn(async move {
            let core = service.core.clone();
            let turn = core.ledger.turn(&job_name).lock_owned().await;
            let result = match (service.owner(&job_name).await, &service.shares) {
                (Err(error), _) => Err(error),
                (Ok(Provider::Manila), Some(shares)) => shares.mount(&job_name, &job_id).await,
                (Ok(_), _) => core.mount(&job_name, &job_id).await,
            };
            let mounted = result.is_ok();
            // Docker sends no Unmount for a Mount whose answer it did not take.
            if sender.send(result).is_err() && mounted {
                match (service.known_owner(&job_name), service.shares) {
                    (Some(Provider::Manila), Some(shares)) => shares.undelivered(&job_name, &job_id).await,
                    _ => core.undelivered(&job_name, &job_id).await,
                }
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
        let service = self.clone();
        self.job(name.clone(), "unmount it", move |core| async move {
            match (service.known_owner(&name), service.shares) {
                (Some(Provider::Manila), Some(shares)) => shares.unmount(&name, &id).await,
                _ => core.unmount(&name, &id).await,
            }
        })
        .await
    }

    /// Where the volume is mounted; from memory.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub async fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        names::check(name)?;
        let share = self.shares.as_ref().and_then(|s| s.ledger.get(name).and_then(|r| s.mountpoint(&r)));
        Ok(share.or_else(|| self.core.ledger.get(name).and_then(|r| self.core.mountpoint(&r))))
    }

    /// The volume, from memory if this host knows it; `None` only if the cloud says so.
    ///
    /// # Errors
    /// The cloud cannot be asked ([`Error::is_cloud_unreachable`]), or several volumes carry the name.
    pub async fn get(&self, name: &str) -> Result<Option<VolumeInfo>> {
        // Docker asks every driver about every name: one that cannot be ours is positively not there.
        if names::check(name).is_err() {
            return Ok(None);
        }
        if let (Provider::Manila, Some(shares)) = (self.owner(name).await?, &self.shares) {
            return Ok(shares.find(name).await?.map(|r| shares.info(&r)));
        }
        let record = self.core.find(name).await?;
        Ok(record.map(|r| self.core.info(&r)))
    }

    /// All volumes with our mark, as of now if the cloud answers at once; otherwise this host's and those it last named.
    ///
    /// # Errors
    /// None at present.
    pub async fn list(&self) -> Result<Vec<VolumeInfo>> {
        let (core, shares) = (self.core.clone(), self.shares.clone());
        let cinder =
            self.serves(Provider::Cinder).then(|| tokio::spawn(async move { core.refresh_list().await }));
        let manila = shares.filter(|_| self.serves(Provider::Manila));
        let manila = manila.map(|shares| tokio::spawn(async move { shares.refresh_list().await }));
        let refreshed = async {
            for task in [cinder, manila].into_iter().flatten() {
                let _ = task.await;
            }
        };
        if tokio::time::timeout(LIST_WAITS, refreshed).await.is_err() {
            tracing::debug!("listing what is known, the cloud takes longer");
        }
        let mut volumes = self.core.list();
        if let Some(shares) = &self.shares {
            volumes.extend(shares.list());
            volumes.sort_by(|a, b| a.name.cmp(&b.name));
            volumes.dedup_by(|a, b| a.name == b.name);
        }
        Ok(volumes)
    }

    /// What this host has in hand; from memory.
    #[must_use]
    pub fn status(&self) -> Status {
        let volumes =
            self.core.ledger.all().iter().map(|r| VolumeStatus::of(r, self.core.mountpoint(r))).collect();
        let shares = self.shares.as_ref().map(|s| s.status()).unwrap_or_default();
        Status { label: self.core.settings.label.clone(), volumes, shares }
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
