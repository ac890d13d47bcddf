//! What becomes of rules after the answer: `queued_to_apply`, `applying`, `active`; `queued_to_deny`, `denying`, gone; or
//! `error`.

use std::sync::Arc;

use super::messages::{Action, UNKNOWN};
use super::model::{RuleState, State, new_id};
use super::{Manila, access_check, storage};
use crate::clock::naive_now;

impl Manila {
    /// Takes a queued rule through its states.
    pub(super) fn follow_rule(self: &Arc<Self>, id: String, request_id: String) {
        if self.faults().stuck_rules {
            return;
        }
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().rule()).await;
            let taken_up = manila.write(|state| {
                let rule = state.share_rules.get_mut(&id)?;
                rule.state = match rule.state {
                    RuleState::QueuedToApply => RuleState::Applying,
                    RuleState::QueuedToDeny => RuleState::Denying,
                    _ => return None,
                };
                Some(rule.state)
            });
            let Some(state) = taken_up else { return };
            tokio::time::sleep(manila.faults().rule()).await;
            match state {
                RuleState::Applying => manila.apply(&id, &request_id).await,
                _ => manila.withdraw(&id, &request_id).await,
            }
        });
    }

    async fn apply(&self, id: &str, request_id: &str) {
        let _turn = self.back_end.lock().await;
        let Some((share, refusal)) = self.read(|state| {
            // Denied meanwhile: its removal is under way.
            let rule = state.share_rules.get(id).filter(|rule| rule.state == RuleState::Applying)?;
            let share = state.shares.get(&rule.share_id)?;
            let takes = self.takes(&share.protocol, &rule.access_type);
            let refusal = access_check::refusal(takes, &rule.access_type, &rule.access_to);
            Some((share.id.clone(), refusal))
        }) else {
            return;
        };
        let failed = self.fails(|faults| &mut faults.next_rule_fails);
        let detail = match refusal {
            Some(detail) => Some(detail),
            None if failed => Some(UNKNOWN),
            None => self.permit(&share).await.err().map(|error| {
                tracing::warn!(%share, rule = id, %error, "cannot apply an access rule");
                UNKNOWN
            }),
        };
        self.write(|state| {
            if let Some(detail) = detail {
                tell_about_rules(state, &share, detail, request_id);
            }
            let Some(rule) = state.share_rules.get_mut(id).filter(|r| r.state == RuleState::Applying) else {
                return;
            };
            rule.updated_at = Some(naive_now());
            rule.state = if detail.is_some() { RuleState::Error } else { RuleState::Active };
            if rule.state == RuleState::Active && rule.access_type == "cephx" {
                rule.access_key = Some(ceph_key());
            }
        });
    }

    async fn withdraw(&self, id: &str, request_id: &str) {
        let _turn = self.back_end.lock().await;
        let denying = |state: &State| {
            let rule = state.share_rules.get(id).filter(|rule| rule.state == RuleState::Denying)?;
            Some(rule.share_id.clone())
        };
        let Some(share) = self.read(denying) else { return };
        let withdrawn = if self.fails(|faults| &mut faults.next_rule_fails) {
            Err(storage::planned())
        } else {
            self.permit(&share).await
        };
        self.write(|state| match withdrawn {
            Ok(()) => {
                state.share_rules.remove(id);
            }
            Err(error) => {
                tracing::warn!(%share, rule = id, %error, "cannot take an access rule away");
                tell_about_rules(state, &share, UNKNOWN, request_id);
                if let Some(rule) = state.share_rules.get_mut(id) {
                    rule.state = RuleState::Error;
                }
            }
        });
    }

    /// Applies the rules of a share again, as a restarted share service does: those in force are `applying` for a while.
    /// An error if there is no such share.
    pub(crate) fn resync(self: &Arc<Self>, share_id: &str) -> Result<(), String> {
        let ids = self.write(|state| {
            if !state.shares.contains_key(share_id) {
                return Err(format!("there is no share {share_id}"));
            }
            let own = state.share_rules.values_mut().filter(|rule| rule.share_id == share_id);
            let active = own.filter(|rule| rule.state == RuleState::Active);
            Ok(active
                .map(|rule| {
                    rule.state = RuleState::Applying;
                    rule.id.clone()
                })
                .collect::<Vec<_>>())
        })?;
        let manila = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(manila.faults().rule()).await;
            for id in ids {
                manila.apply(&id, &format!("req-{}", new_id())).await;
            }
        });
        Ok(())
    }
}

fn tell_about_rules(state: &mut State, share_id: &str, detail: &str, request_id: &str) {
    state.tell(share_id, Action::UpdateAccessRules, detail, request_id);
}

/// In the form of a Ceph key, without being one.
fn ceph_key() -> String {
    format!("AQ{}AAAA==", uuid::Uuid::new_v4().simple())
}
