//! What happens after the answer: asynchronous states of shares and snapshots come to their end.

use std::sync::Arc;

use super::messages::{Action, EXTEND_FAILED, NO_VALID_HOST, UNEXPECTED_NETWORK, UNKNOWN};
use super::model::{RuleState, Share, ShareStatus, SnapshotStatus, new_id};
use super::{Manila, storage};

impl Manila {
    /// `creating` or `creating_from_snapshot` to `available` or `error`.
    pub(super) fn finish_create(self: &Arc<Self>, id: String, request_id: String) {
        if self.faults().stuck_creating {
            return;
        }
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().create()).await;
            let _turn = manila.back_end.lock().await;
            let ordered =
                |s: &&Share| matches!(s.status, ShareStatus::Creating | ShareStatus::CreatingFromSnapshot);
            let Some((share, network_refused)) = manila.read(|state| {
                let share = state.shares.get(&id).filter(ordered)?;
                let kind = state.share_types.get(&share.type_id)?;
                Some((share.clone(), share.share_network_id.is_some() && !kind.handles_servers()))
            }) else {
                return;
            };
            let made = if network_refused {
                Err((Action::Create, UNEXPECTED_NETWORK))
            } else if manila.fails(|faults| &mut faults.next_create_fails) {
                Err((Action::AllocateHost, NO_VALID_HOST))
            } else {
                manila.make(&share).await.map_err(|error| {
                    tracing::warn!(share = id, %error, "cannot create a share");
                    (Action::Create, UNKNOWN)
                })
            };
            manila.write(|state| {
                if let Err((action, detail)) = &made {
                    state.tell(&id, *action, detail, &request_id);
                }
                let Some(share) = state.shares.get_mut(&id) else { return };
                match made {
                    Ok(exports) => {
                        share.exports = exports;
                        share.status = ShareStatus::Available;
                    }
                    Err(_) => share.status = ShareStatus::Error,
                }
            });
        });
    }

    /// `deleting` to gone, with all rules, or to `error_deleting`.
    pub(super) fn finish_delete(self: &Arc<Self>, id: String, request_id: String) {
        self.write(|state| {
            for rule in state.share_rules.values_mut().filter(|rule| rule.share_id == id) {
                rule.state = RuleState::QueuedToDeny;
            }
        });
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().delete()).await;
            let _turn = manila.back_end.lock().await;
            let deleting = |share: &&Share| share.status == ShareStatus::Deleting;
            let Some(share) = manila.read(|state| state.shares.get(&id).filter(deleting).cloned()) else {
                return;
            };
            let removed = if manila.fails(|faults| &mut faults.next_delete_fails) {
                Err(storage::planned())
            } else {
                manila.remove(&share).await
            };
            manila.write(|state| {
                // Rules go first, whatever becomes of the share.
                state.share_rules.retain(|_, rule| rule.share_id != id);
                match removed {
                    Ok(()) => {
                        state.shares.remove(&id);
                    }
                    Err(error) => {
                        tracing::warn!(share = id, %error, "cannot delete a share");
                        state.tell(&id, Action::Delete, UNKNOWN, &request_id);
                        if let Some(share) = state.shares.get_mut(&id) {
                            share.status = ShareStatus::ErrorDeleting;
                        }
                    }
                }
            });
        });
    }

    /// `extending` to `available` or `extending_error`.
    pub(super) fn finish_extend(self: &Arc<Self>, id: String, size: u64, request_id: String) {
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().extend()).await;
            let _turn = manila.back_end.lock().await;
            let extending = |share: &&Share| share.status == ShareStatus::Extending;
            let Some(share) = manila.read(|state| state.shares.get(&id).filter(extending).cloned()) else {
                return;
            };
            let grown = if manila.fails(|faults| &mut faults.next_extend_fails) {
                Err(storage::planned())
            } else {
                manila.grow(&share, size).await
            };
            manila.write(|state| {
                if let Err(error) = &grown {
                    tracing::warn!(share = id, %error, "cannot extend a share");
                    state.tell(&id, Action::Extend, EXTEND_FAILED, &request_id);
                }
                let Some(share) = state.shares.get_mut(&id) else { return };
                if grown.is_ok() {
                    share.size = size;
                    share.status = ShareStatus::Available;
                } else {
                    share.status = ShareStatus::ExtendingError;
                }
            });
        });
    }

    /// `creating` to `available` or `error`, of a snapshot.
    pub(super) fn finish_snapshot(self: &Arc<Self>, id: String) {
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().create()).await;
            let _turn = manila.back_end.lock().await;
            let found = manila.read(|state| state.share_snapshots.get(&id).cloned());
            let Some(snapshot) = found.filter(|s| s.status == SnapshotStatus::Creating) else { return };
            let status = match manila.take_snapshot(&snapshot).await {
                Ok(()) => SnapshotStatus::Available,
                Err(error) => {
                    tracing::warn!(snapshot = id, %error, "cannot take a snapshot");
                    SnapshotStatus::Error
                }
            };
            manila.write(|state| {
                if let Some(snapshot) = state.share_snapshots.get_mut(&id) {
                    snapshot.status = status;
                }
            });
        });
    }

    /// `deleting` to gone or `error_deleting`, of a snapshot.
    pub(super) fn finish_snapshot_delete(self: &Arc<Self>, id: String) {
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().delete()).await;
            let _turn = manila.back_end.lock().await;
            let Some(snapshot) = manila.read(|state| state.share_snapshots.get(&id).cloned()) else { return };
            let removed = manila.remove_snapshot(&snapshot).await;
            manila.write(|state| match removed {
                Ok(()) => {
                    state.share_snapshots.remove(&id);
                }
                Err(error) => {
                    tracing::warn!(snapshot = id, %error, "cannot delete a snapshot");
                    if let Some(snapshot) = state.share_snapshots.get_mut(&id) {
                        snapshot.status = SnapshotStatus::ErrorDeleting;
                    }
                }
            });
        });
    }

    /// What a restarted share service does with what the last one left.
    pub(super) fn resume(self: &Arc<Self>) {
        let request_id = format!("req-{}", new_id());
        let (shares, snapshots, rules, exported) = self.write(|state| {
            let (mut shares, mut snapshots, mut exported) = (Vec::new(), Vec::new(), Vec::new());
            for share in state.shares.values_mut() {
                match share.status {
                    ShareStatus::Creating | ShareStatus::CreatingFromSnapshot => {
                        share.status = ShareStatus::Error;
                    }
                    ShareStatus::Extending => share.status = ShareStatus::ExtendingError,
                    ShareStatus::Deleting => shares.push(share.id.clone()),
                    _ if !share.exports.is_empty() => exported.push(share.id.clone()),
                    _ => {}
                }
            }
            for snapshot in state.share_snapshots.values_mut() {
                match snapshot.status {
                    SnapshotStatus::Creating => snapshot.status = SnapshotStatus::Error,
                    SnapshotStatus::Deleting => snapshots.push(snapshot.id.clone()),
                    _ => {}
                }
            }
            let mut rules = Vec::new();
            for rule in state.share_rules.values_mut() {
                rule.state = match rule.state {
                    RuleState::Applying => RuleState::QueuedToApply,
                    RuleState::Denying => RuleState::QueuedToDeny,
                    other => other,
                };
                if matches!(rule.state, RuleState::QueuedToApply | RuleState::QueuedToDeny) {
                    rules.push(rule.id.clone());
                }
            }
            (shares, snapshots, rules, exported)
        });
        for id in shares {
            self.finish_delete(id, request_id.clone());
        }
        for id in snapshots {
            self.finish_snapshot_delete(id);
        }
        for id in rules {
            self.follow_rule(id, request_id.clone());
        }
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            for id in exported {
                let _turn = manila.back_end.lock().await;
                if let Err(error) = manila.permit(&id).await {
                    tracing::warn!(share = id, %error, "cannot export a share again");
                }
            }
        });
    }
}
