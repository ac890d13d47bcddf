//! Manila and this host's mounts of shares.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use host_storage::shares::{Export, Root, ShareMount};
use host_storage::{Error as HostError, Usage};
use openstack::shared_file_systems::{AccessRule, ExportLocation, NewAccess, NewShare, Share};
use openstack::{Error as CloudError, Result as CloudResult};

use super::{State, World, refused, settings};
use crate::share::{ShareHost, ShareSettings, SharedFileSystems};
use crate::{HostResult, NotServed, Provider, Service};

/// The user's own share.
pub(crate) const SHARE: &str = "aaaaaaaa-0000-4000-8000-000000000002";

/// The share file system service.
#[derive(Debug, Default)]
pub(crate) struct Manila {
    pub(crate) shares: BTreeMap<String, Share>,
    /// With the share each belongs to.
    pub(crate) rules: BTreeMap<String, (String, AccessRule)>,
    pub(crate) exports: BTreeMap<String, Vec<ExportLocation>>,
    /// Mountpoint name to what is mounted.
    pub(crate) mounts: BTreeMap<String, ShareMount>,
    /// Exports that a container shows.
    pub(crate) users: BTreeSet<String>,
    /// Exports whose servers do not answer.
    pub(crate) dead: BTreeSet<String>,
    /// Owner and mode given, per export.
    pub(crate) roots: BTreeMap<String, Root>,
    /// Shares with a user's data, made by us or not.
    pub(crate) precious: BTreeSet<String>,
    pub(crate) down: bool,
    pub(crate) quota: bool,
    pub(crate) next_create_errors: bool,
    pub(crate) next_rule_errors: bool,
    pub(crate) stuck_rules: bool,
    /// The next deletion does not reach Manila, and meanwhile somebody is let in.
    pub(crate) lost_deletion_lets_in: Option<AccessRule>,
    next: u32,
}

pub(crate) fn share(id: &str, name: &str, status: &str) -> Share {
    serde_json::from_value(serde_json::json!({
        "id": id, "name": name, "status": status, "size": 2, "share_proto": "NFS", "project_id": "own",
        "metadata": {"purpose": "books"}, "created_at": "2026-01-02T03:04:05.000000",
    }))
    .unwrap()
}

pub(crate) fn rule(id: &str, access_to: &str, level: &str, state: &str) -> AccessRule {
    serde_json::from_value(serde_json::json!({
        "id": id, "access_type": "ip", "access_to": access_to, "access_level": level, "state": state,
    }))
    .unwrap()
}

pub(crate) fn share_settings() -> ShareSettings {
    ShareSettings {
        host: "host-a".into(),
        my_ip: Some("10.0.0.9".parse().unwrap()),
        access_patience: Duration::from_secs(10),
        exports_checked_every: Duration::ZERO,
        ..ShareSettings::default()
    }
}

impl World {
    /// A new process that serves shares only.
    pub(crate) fn shares(self: &Arc<Self>) -> Service {
        self.shares_with(settings(), share_settings())
    }

    pub(crate) fn shares_with(self: &Arc<Self>, common: crate::Settings, own: ShareSettings) -> Service {
        self.service();
        let cinder = Service::open(common, &self.journal, Arc::new(NotServed), self.clone()).unwrap();
        cinder.with_shares(&[Provider::Manila], own, &self.journal, self.clone(), self.clone()).unwrap()
    }

    /// Lets what a dead process was still waiting for come to nothing, before its successor lifts the curse.
    pub(crate) async fn bury(&self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// A new process that serves both.
    pub(crate) fn both(self: &Arc<Self>, order: &[Provider]) -> Service {
        let cinder = self.service();
        cinder.with_shares(order, share_settings(), &self.journal, self.clone(), self.clone()).unwrap()
    }

    async fn manila<T>(
        &self,
        what: &str,
        effect: impl FnOnce(&mut State) -> CloudResult<T>,
    ) -> CloudResult<T> {
        if self.state().manila.down {
            self.state().cloud_calls.push(what.into());
            return Err(CloudError::Unreachable {
                service: "shared-file-system",
                operation: what.into(),
                url: "http://manila".into(),
                reason: "connection refused".into(),
                sent: false,
            });
        }
        self.cloud(what, effect).await
    }
}

impl Manila {
    pub(crate) fn add(&mut self, share: Share) {
        let location = |path: String, preferred| ExportLocation {
            id: String::new(),
            path,
            preferred,
            is_admin_only: false,
        };
        let exports = vec![
            ExportLocation { is_admin_only: true, ..location(format!("10.9.0.5:/{}", share.id), true) },
            location(format!("[fd00::5]:/{}", share.id), true),
            location(format!("10.0.0.5:/{}", share.id), true),
        ];
        self.exports.insert(share.id.clone(), exports);
        self.shares.insert(share.id.clone(), share);
    }

    pub(crate) fn let_in(&mut self, share: &str, rule: AccessRule) {
        self.rules.insert(rule.id.clone(), (share.into(), rule));
    }

    /// The ids of a share's rules.
    pub(crate) fn rules_of(&self, share: &str) -> Vec<String> {
        self.rules.iter().filter(|(_, (s, _))| s == share).map(|(id, _)| id.clone()).collect()
    }

    fn find(&mut self, id: &str) -> CloudResult<&mut Share> {
        self.shares.get_mut(id).ok_or_else(|| refused(404, "no such share"))
    }

    /// Time passes whenever somebody looks.
    fn look(&mut self) {
        let gone: Vec<_> =
            self.shares.values().filter(|s| s.status == "deleting").map(|s| s.id.clone()).collect();
        for id in gone {
            self.shares.remove(&id);
            self.exports.remove(&id);
            self.precious.remove(&id);
            self.rules.retain(|_, (share, _)| *share != id);
        }
        for share in self.shares.values_mut().filter(|s| s.status == "creating") {
            share.status = "available".into();
        }
        self.rules.retain(|_, (_, rule)| rule.state != "denying");
        for (_, rule) in self.rules.values_mut() {
            let next = match rule.state.as_str() {
                "queued_to_apply" if !self.stuck_rules => "applying",
                "applying" => "active",
                "queued_to_deny" => "denying",
                other => other,
            };
            rule.state = next.to_owned();
        }
    }

    /// What is mounted on this host from a share.
    fn mounts_of<'m>(&'m self, share: &'m str) -> impl Iterator<Item = &'m ShareMount> {
        self.mounts.values().filter(move |m| m.export.source().ends_with(share))
    }
}

fn ours(rule: &AccessRule) -> bool {
    rule.metadata.contains_key("fuxi_request")
        && rule.metadata.get("fuxi_host").is_some_and(|h| h == "host-a")
}

#[async_trait]
impl SharedFileSystems for World {
    async fn list_shares(&self, metadata: &[(&str, &str)]) -> CloudResult<Vec<Share>> {
        self.manila("list shares", |s| {
            let carries =
                |v: &&Share| metadata.iter().all(|(k, x)| v.metadata.get(*k).map(String::as_str) == Some(*x));
            let found = s.manila.shares.values().filter(carries).cloned().collect();
            s.manila.look();
            Ok(found)
        })
        .await
    }
    async fn get_share(&self, id: &str) -> CloudResult<Share> {
        self.manila("get share", |s| {
            let found = s.manila.find(id).cloned();
            s.manila.look();
            found
        })
        .await
    }
    async fn project_id(&self) -> CloudResult<Option<String>> {
        Ok(Some("own".into()))
    }
    async fn create_share(&self, new: &NewShare) -> CloudResult<Share> {
        self.manila("create share", |s| {
            if s.manila.quota {
                return Err(refused(413, "ShareSizeExceedsAvailableQuota"));
            }
            s.manila.next += 1;
            let id = format!("cccccccc-0000-4000-8000-{:012}", s.manila.next);
            let status = if std::mem::take(&mut s.manila.next_create_errors) { "error" } else { "creating" };
            let mut made = share(&id, &new.name, status);
            (made.size, made.metadata) = (new.size, new.metadata.clone());
            made.share_proto.clone_from(&new.share_proto);
            made.share_type_name.clone_from(&new.share_type);
            made.snapshot_id.clone_from(&new.snapshot_id);
            s.manila.add(made.clone());
            Ok(made)
        })
        .await
    }
    async fn delete_share(&self, id: &str) -> CloudResult<()> {
        self.manila("delete share", |s| {
            if id == SHARE {
                s.crimes.push("deleted the user's own share".into());
            }
            if let Some(rule) = s.manila.lost_deletion_lets_in.take() {
                s.manila.let_in(id, rule);
                return Ok(());
            }
            let Some(share) = s.manila.shares.get(id).cloned() else { return Ok(()) };
            if !["available", "error", "deleting"].contains(&share.status.as_str()) {
                return Err(refused(403, "Share status must be one of available, error"));
            }
            if s.manila.rules.values().any(|(of, rule)| of == id && !ours(rule)) {
                s.crimes.push("deleted a share that others are let in".into());
            }
            if s.manila.mounts_of(id).next().is_some() {
                s.crimes.push("deleted a share that is mounted here".into());
            }
            s.manila.find(id)?.status = "deleting".into();
            Ok(())
        })
        .await
    }
    async fn merge_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> CloudResult<()> {
        self.manila("merge share metadata", |s| {
            s.manila.find(id)?.metadata.extend(metadata.clone());
            Ok(())
        })
        .await
    }
    async fn delete_metadata_key(&self, id: &str, key: &str) -> CloudResult<()> {
        self.manila("delete share metadata", |s| s.manila.find(id).map(|v| v.metadata.remove(key)).map(drop))
            .await
    }
    async fn list_export_locations(&self, share: &str) -> CloudResult<Vec<ExportLocation>> {
        self.manila("list exports", |s| {
            s.manila.find(share)?;
            Ok(s.manila.exports.get(share).cloned().unwrap_or_default())
        })
        .await
    }
    async fn list_access_rules(&self, share: &str) -> CloudResult<Vec<AccessRule>> {
        self.manila("list rules", |s| {
            if !s.manila.shares.contains_key(share) {
                return Err(refused(400, "share not found"));
            }
            let found =
                s.manila.rules.values().filter(|(of, _)| of == share).map(|(_, r)| r.clone()).collect();
            s.manila.look();
            Ok(found)
        })
        .await
    }
    async fn get_access_rule(&self, id: &str) -> CloudResult<AccessRule> {
        self.manila("get rule", |s| {
            let found = s.manila.rules.get(id).map(|(_, r)| r.clone());
            s.manila.look();
            found.ok_or_else(|| refused(404, "no such rule"))
        })
        .await
    }
    async fn allow_access(&self, share: &str, access: &NewAccess) -> CloudResult<AccessRule> {
        self.manila("allow access", |s| {
            if s.manila.find(share)?.status != "available" {
                return Err(refused(400, "share is not available"));
            }
            if s.manila.rules.values().any(|(of, r)| of == share && r.access_to == access.access_to) {
                return Err(refused(400, "Share access already exists"));
            }
            s.manila.next += 1;
            let state =
                if std::mem::take(&mut s.manila.next_rule_errors) { "error" } else { "queued_to_apply" };
            let id = format!("rule-{}", s.manila.next);
            let mut made = rule(&id, &access.access_to, &access.access_level, state);
            made.access_type.clone_from(&access.access_type);
            made.metadata.clone_from(&access.metadata);
            s.manila.let_in(share, made.clone());
            Ok(made)
        })
        .await
    }
    async fn deny_access(&self, share: &str, id: &str) -> CloudResult<()> {
        self.manila("deny access", |s| {
            let mounted = s.manila.mounts_of(share).next().is_some();
            let Some((_, rule)) = s.manila.rules.get_mut(id) else { return Ok(()) };
            if !ours(rule) {
                s.crimes.push("ended somebody else's rule".into());
            }
            if mounted {
                s.crimes.push("ended the rule of a mounted share".into());
            }
            rule.state = "queued_to_deny".into();
            Ok(())
        })
        .await
    }
    async fn extend_share(&self, id: &str, gib: u64) -> CloudResult<()> {
        self.manila("extend share", |s| {
            s.manila.find(id)?.size = gib;
            Ok(())
        })
        .await
    }
    async fn explain(&self, _: &str) -> CloudResult<Option<String>> {
        self.manila("explain", |_| Ok(Some("no back end is large enough".into()))).await
    }
}

#[async_trait]
impl ShareHost for World {
    async fn boot_id(&self) -> HostResult<String> {
        Ok(self.state().boot_id.clone())
    }
    async fn mount_share(&self, name: &str, what: &ShareMount) -> HostResult<PathBuf> {
        self.host("mount share", |s| {
            let path = PathBuf::from("/volumes").join(name);
            let source = what.export.source();
            if s.manila.dead.contains(source) {
                return Err(HostError::NotAnswering { path, seconds: 10 });
            }
            if let Some(mounted) = s.manila.mounts.get(name) {
                assert_eq!(mounted.export, what.export, "something else is mounted there");
                return Ok(path);
            }
            let share = source.rsplit('/').next().unwrap_or_default();
            let let_in = |(of, r): &(String, AccessRule)| {
                of == share && r.state == "active" && ["10.0.0.9", "10.0.0.0/24"].contains(&&*r.access_to)
            };
            if !s.manila.shares.contains_key(share) || !s.manila.rules.values().any(let_in) {
                return Err(HostError::Tool {
                    program: "mount.nfs",
                    path,
                    reason: "access denied by server".into(),
                });
            }
            s.manila.mounts.insert(name.into(), what.clone());
            Ok(path)
        })
        .await
    }
    async fn set_root(&self, name: &str, root: &Root) -> HostResult<()> {
        self.host("set root", |s| {
            let source = s.manila.mounts[name].export.source().to_owned();
            if source.ends_with(SHARE) {
                s.crimes.push("changed the root of the user's own share".into());
            }
            if s.manila.precious.iter().any(|p| source.ends_with(p)) {
                s.crimes.push("changed the root of a share in use".into());
            }
            s.manila.roots.insert(source, *root);
            Ok(())
        })
        .await
    }
    async fn share_usage(&self, name: &str, export: &Export) -> HostResult<Usage> {
        self.host("share usage", |s| {
            let others = s.manila.users.contains(export.source()).then(|| "process 42".to_owned());
            let mounted = s.manila.mounts.get(name).is_some_and(|m| m.export == *export);
            Ok(Usage { mounted, others: others.into_iter().collect() })
        })
        .await
    }
    async fn unmount_share(&self, name: &str, export: &Export) -> HostResult<()> {
        self.host("unmount share", |s| {
            let Some(mounted) = s.manila.mounts.get(name) else { return Ok(()) };
            assert_eq!(mounted.export, *export, "something else is mounted there");
            if s.manila.users.contains(export.source()) {
                s.crimes.push("unmounted under a container".into());
            }
            if s.manila.dead.contains(export.source()) {
                return Err(HostError::NotAnswering { path: "/volumes".into(), seconds: 45 });
            }
            s.manila.mounts.remove(name);
            Ok(())
        })
        .await
    }
    fn mountpoint(&self, name: &str) -> PathBuf {
        PathBuf::from("/volumes").join(name)
    }
}
