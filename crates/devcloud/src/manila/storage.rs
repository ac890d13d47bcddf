//! The back end: whoever exports shares on this machine, or nobody.

use super::model::{Export, RuleState, Share, Snapshot};
use super::{Manila, access_check, exports};
use crate::datapath::{DataPathError, PermitView, Result, ShareExport, ShareView};

fn view(share: &Share) -> ShareView {
    ShareView { id: share.id.clone(), protocol: share.protocol.clone(), size: share.size }
}

/// The share of a snapshot, as far as its export needs it.
fn share_of(snapshot: &Snapshot) -> ShareView {
    ShareView { id: snapshot.share_id.clone(), protocol: snapshot.protocol.clone(), size: snapshot.size }
}

/// A failure an administrator asked for.
pub(super) fn planned() -> DataPathError {
    DataPathError("the back end was told to fail".into())
}

impl Manila {
    /// Whoever really exports shares of this protocol.
    fn exporter(&self, protocol: &str) -> Option<&dyn ShareExport> {
        self.export.as_deref().filter(|export| export.serves(protocol))
    }

    /// Whether shares of this protocol let somebody in by rules of this type.
    pub(super) fn takes(&self, protocol: &str, access_type: &str) -> bool {
        let own = self.exporter(protocol).and_then(|export| export.takes(access_type));
        own.unwrap_or_else(|| access_check::takes(protocol, access_type))
    }

    /// The paths of a share once it is exported from another address.
    pub(super) async fn exports_at(&self, share: &Share, host: &str) -> Result<Vec<Export>> {
        match self.exporter(&share.protocol) {
            Some(export) => Ok(exports::real(export.relocate(&view(share), host).await?)),
            None => Ok(exports::modelled(&share.protocol, &share.id, &[host.to_owned()])),
        }
    }

    pub(super) async fn make(&self, share: &Share) -> Result<Vec<Export>> {
        match self.exporter(&share.protocol) {
            Some(export) => {
                let paths = export.create(&view(share), share.snapshot_id.as_deref()).await?;
                Ok(exports::real(paths))
            }
            None => Ok(exports::modelled(&share.protocol, &share.id, &self.options.export_hosts)),
        }
    }

    pub(super) async fn remove(&self, share: &Share) -> Result<()> {
        match self.exporter(&share.protocol) {
            Some(export) => export.delete(&view(share)).await,
            None => Ok(()),
        }
    }

    pub(super) async fn grow(&self, share: &Share, size: u64) -> Result<()> {
        match self.exporter(&share.protocol) {
            Some(export) => export.extend(&ShareView { size, ..view(share) }).await,
            None => Ok(()),
        }
    }

    pub(super) async fn take_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        match self.exporter(&snapshot.protocol) {
            Some(export) => export.snapshot(&share_of(snapshot), &snapshot.id).await,
            None => Ok(()),
        }
    }

    pub(super) async fn remove_snapshot(&self, snapshot: &Snapshot) -> Result<()> {
        match self.exporter(&snapshot.protocol) {
            Some(export) => export.delete_snapshot(&share_of(snapshot), &snapshot.id).await,
            None => Ok(()),
        }
    }

    /// Makes the users of a share those of its rules that are in force or being applied.
    pub(super) async fn permit(&self, share_id: &str) -> Result<()> {
        let Some((share, permits)) = self.read(|state| {
            let share = state.shares.get(share_id)?;
            let holds = |state: RuleState| matches!(state, RuleState::Active | RuleState::Applying);
            let rules = state.rules_of(share_id).into_iter().filter(|rule| holds(rule.state));
            let permits = rules.map(|rule| PermitView {
                access_type: rule.access_type.clone(),
                access_to: rule.access_to.clone(),
                read_only: rule.access_level == "ro",
            });
            Some((view(share), permits.collect::<Vec<_>>()))
        }) else {
            return Ok(());
        };
        match self.exporter(&share.protocol) {
            Some(export) => export.permit(&share, &permits).await,
            None => Ok(()),
        }
    }
}
