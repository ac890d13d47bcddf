//! Shares of the protocol GLUSTERFS that really hold files: each is a volume of a `glusterd` that runs on this machine
//! beside the cloud, on one brick, which is a tmpfs of the share's size. What they hold is gone when the machine is.
//!
//! `glusterd` is not ours to start or end: what is mounted goes on while the cloud is away.
//!
//! Source: gluster(8) and the options of `gluster volume set help`, of GlusterFS 10.

mod brick_log;
mod command;
mod files;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::datapath::{DataPathError, PermitView, Result, ShareExport, ShareView};
use brick_log::BrickLog;
use command::Gluster;

/// An address that nobody has (RFC 5737). Once Gluster has heard of anybody to reject it forgets them only for somebody
/// else.
const NOBODY: &str = "192.0.2.1";

/// Where a `glusterd` is and where shares lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlusterOptions {
    /// Directory for the files of shares and snapshots.
    pub dir: PathBuf,
    /// Its `glusterd-sockfile`.
    pub socket: PathBuf,
    /// Where it has its bricks log, `bricks` below its log directory.
    pub brick_logs: PathBuf,
    /// Addresses of this machine it answers at, the best one first. Gluster refuses those of loopback.
    pub addresses: Vec<IpAddr>,
}

/// Shares as volumes of Gluster.
#[derive(Debug)]
pub struct GlusterShares {
    options: GlusterOptions,
    gluster: Gluster,
    best: IpAddr,
    /// By share, the options that its bricks are known to have taken.
    taken: Mutex<HashMap<String, Vec<String>>>,
}

impl GlusterShares {
    /// Uses the `glusterd`, which runs already, and makes the directory if it is missing.
    ///
    /// # Errors
    /// No address given, no answer, or the directory cannot be made.
    pub async fn open(options: GlusterOptions) -> Result<Self> {
        let best = *options.addresses.first().ok_or_else(|| {
            DataPathError("glusterd has no address; give one that is not of loopback".into())
        })?;
        files::make_directory(&options.dir)?;
        let gluster = Gluster::new(&options.socket);
        gluster.run(&["volume", "list"]).await?;
        Ok(Self { options, gluster, best, taken: Mutex::default() })
    }

    fn mountpoint(&self, id: &str) -> Result<PathBuf> {
        Ok(self.options.dir.join(format!("share-{}", plain(id)?)))
    }

    /// Below the mountpoint: Gluster wants no brick that is a mountpoint itself.
    fn brick(&self, id: &str) -> Result<PathBuf> {
        Ok(self.mountpoint(id)?.join("data"))
    }

    fn snapshot_dir(&self, id: &str) -> Result<PathBuf> {
        Ok(self.options.dir.join(format!("snapshot-{}", plain(id)?)))
    }

    async fn make_volume(&self, share: &ShareView, snapshot: Option<&str>) -> Result<()> {
        let (volume, brick) = (volume(&share.id), self.brick(&share.id)?);
        files::mount_sized(&self.mountpoint(&share.id)?, share.size)?;
        files::make_directory(&brick)?;
        if let Some(snapshot) = snapshot {
            files::copy(&self.snapshot_dir(snapshot)?, &brick).await?;
        }
        let brick = format!("{}:{}", self.best, brick.display());
        // Without `force` it wants a brick on a disk of its own.
        self.gluster.run(&["volume", "create", &volume, &brick, "force"]).await?;
        self.gluster.run(&["volume", "set", &volume, "auth.reject", "*"]).await?;
        self.gluster.run(&["volume", "start", &volume]).await
    }
}

#[async_trait]
impl ShareExport for GlusterShares {
    fn serves(&self, protocol: &str) -> bool {
        protocol == "GLUSTERFS"
    }

    /// Addresses; certificates would need TLS on every brick.
    fn takes(&self, access_type: &str) -> Option<bool> {
        Some(access_type == "ip")
    }

    async fn create(&self, share: &ShareView, snapshot: Option<&str>) -> Result<Vec<String>> {
        if self.mountpoint(&share.id)?.exists() {
            return Err(DataPathError(format!("there is a share {} already", share.id)));
        }
        if let Err(error) = self.make_volume(share, snapshot).await {
            // It was not there a moment ago: nobody's files are in it.
            if let Err(again) = self.delete(share).await {
                tracing::warn!(share = share.id, error = %again, "cannot undo the half of a share");
            }
            return Err(error);
        }
        self.taken.lock().await.insert(share.id.clone(), vec!["auth.reject".into(), "*".into()]);
        Ok(vec![format!("{}:/{}", self.best, volume(&share.id))])
    }

    async fn delete(&self, share: &ShareView) -> Result<()> {
        let volume = volume(&share.id);
        self.taken.lock().await.remove(&share.id);
        self.gluster.run_unless_done(&["volume", "stop", &volume, "force"]).await?;
        self.gluster.run_unless_done(&["volume", "delete", &volume]).await?;
        files::unmount_and_remove(&self.mountpoint(&share.id)?).await
    }

    async fn extend(&self, share: &ShareView) -> Result<()> {
        files::resize(&self.mountpoint(&share.id)?, share.size)
    }

    async fn permit(&self, share: &ShareView, permits: &[PermitView]) -> Result<()> {
        let wanted = words(permits)?;
        let mut taken = self.taken.lock().await;
        if taken.get(&share.id) == Some(&wanted) {
            return Ok(());
        }
        taken.remove(&share.id);
        let volume = volume(&share.id);
        let mut args = vec!["volume", "set", &volume];
        args.extend(wanted.iter().map(String::as_str));
        let log = BrickLog::now(&self.options.brick_logs, &self.brick(&share.id)?);
        self.gluster.run(&args).await?;
        log.await_taken().await?;
        taken.insert(share.id.clone(), wanted);
        Ok(())
    }

    async fn snapshot(&self, share: &ShareView, snapshot: &str) -> Result<()> {
        let dir = self.snapshot_dir(snapshot)?;
        files::make_directory(&dir)?;
        files::copy(&self.brick(&share.id)?, &dir).await
    }

    async fn delete_snapshot(&self, _share: &ShareView, snapshot: &str) -> Result<()> {
        files::remove(&self.snapshot_dir(snapshot)?)
    }

    /// Only the address changes: Gluster answers for a volume at each of its own.
    async fn relocate(&self, share: &ShareView, host: &str) -> Result<Vec<String>> {
        let host = host.parse::<IpAddr>().ok().filter(|host| self.options.addresses.contains(host));
        match host {
            Some(host) => Ok(vec![format!("{host}:/{}", volume(&share.id))]),
            None => Err(DataPathError(format!(
                "glusterd answers at {:?} only; name one of these",
                self.options.addresses
            ))),
        }
    }
}

fn volume(id: &str) -> String {
    format!("share-{id}")
}

fn plain(id: &str) -> Result<&str> {
    let plain =
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain { Ok(id) } else { Err(DataPathError(format!("not an id: {id:?}"))) }
}

/// Keys and values for `gluster volume set`. All at once: between two settings somebody could come in.
fn words(permits: &[PermitView]) -> Result<Vec<String>> {
    if permits.is_empty() {
        return Ok(vec!["auth.reject".into(), "*".into()]);
    }
    for permit in permits {
        if permit.access_type != "ip" || permit.access_to.contains(':') {
            return Err(DataPathError(format!(
                "Gluster lets in IPv4 addresses and networks only, not {} {}",
                permit.access_type, permit.access_to
            )));
        }
    }
    let readers = permits.iter().filter(|permit| permit.read_only).count();
    if readers != 0 && readers != permits.len() {
        return Err(DataPathError(
            "a volume of Gluster is for readers or for writers; give all rules one level".into(),
        ));
    }
    let mut allowed: Vec<&str> = permits.iter().map(|permit| permit.access_to.as_str()).collect();
    allowed.sort_unstable();
    let read_only = if readers == 0 { "off" } else { "on" };
    let words = ["auth.allow", &allowed.join(","), "auth.reject", NOBODY, "features.read-only", read_only];
    Ok(words.map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit(access_type: &str, access_to: &str, read_only: bool) -> PermitView {
        PermitView { access_type: access_type.into(), access_to: access_to.into(), read_only }
    }

    #[test]
    fn nobody_is_let_in_without_a_rule() {
        assert_eq!(words(&[]).unwrap(), ["auth.reject", "*"]);
    }

    #[test]
    fn all_rules_are_one_setting_whatever_their_order() {
        let (one, net) = (permit("ip", "10.0.0.9", false), permit("ip", "10.1.0.0/24", false));
        let wanted =
            ["auth.allow", "10.0.0.9,10.1.0.0/24", "auth.reject", "192.0.2.1", "features.read-only", "off"];
        assert_eq!(words(&[one.clone(), net.clone()]).unwrap(), wanted);
        assert_eq!(words(&[net, one]).unwrap(), wanted);
        assert_eq!(words(&[permit("ip", "10.0.0.9", true)]).unwrap().last().unwrap(), "on");
    }

    #[test]
    fn what_gluster_cannot_tell_apart_is_refused() {
        for permits in [
            &[permit("ip", "10.0.0.9", true), permit("ip", "10.0.0.8", false)][..],
            &[permit("cert", "host.example", false)],
            &[permit("ip", "fd00::9", false)],
        ] {
            assert!(words(permits).is_err(), "{permits:?}");
        }
    }

    #[test]
    fn an_id_that_is_a_path_is_none() {
        for id in ["", "..", "a/b", &"a".repeat(65)] {
            assert!(plain(id).is_err(), "{id}");
        }
    }
}
