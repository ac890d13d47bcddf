//! Removing: what we made is deleted if no other host has a rule for it, what we adopted is given back.

use openstack::shared_file_systems::{AccessRule, Share};
use tokio::time::Instant;

use super::Shares;
use super::access::is_lasting;
use super::record::{ShareRecord, Stage};
use crate::record::Origin;
use crate::{Error, Result};

impl Shares {
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        let record = match self.ledger.get(name) {
            Some(record) if record.stage == Stage::Creating => {
                self.finish_creating(record, true).await?;
                // It may have become a share after all: then it is removed like one.
                match self.ledger.get(name) {
                    Some(record) if record.stage == Stage::Creating => {
                        return Err(Error::refused(name, "Manila is still making it; try again later"));
                    }
                    Some(record) => record,
                    None => return Ok(()),
                }
            }
            Some(record) if record.stage == Stage::Adopting => return self.give_back(record).await,
            Some(record) => record,
            None => match self.find(name).await? {
                Some(record) => record,
                None => {
                    tracing::info!(share = name, "asked to remove an unknown volume");
                    return Ok(());
                }
            },
        };
        self.finish_removing(record).await
    }

    /// Takes a removal up, wherever it was left.
    pub(super) async fn finish_removing(&self, mut record: ShareRecord) -> Result<()> {
        let name = record.name.clone();
        if !self.references_are_dead(&record).await? {
            let ids: Vec<_> =
                record.references.keys().map(|k| k.chars().take(12).collect::<String>()).collect();
            return Err(Error::InUse {
                name,
                by: format!("mounted on this host for {}; stop that container", ids.join(", ")),
            });
        }
        if record.mounted.is_some() || record.rule.is_some() {
            // It stays in the journal until the removal is done.
            let visiting = std::mem::replace(&mut record.visiting, false);
            self.let_go(&mut record).await?;
            record.visiting = visiting;
        }
        match record.origin {
            Origin::Created => self.delete(record).await,
            Origin::Adopted => {
                self.refuse_if_docker_hosts_use_it(&record).await?;
                record.stage = Stage::GivingBack;
                self.ledger.save(&record)?;
                self.give_back(record).await
            }
            Origin::Unknown => Err(Error::refused(
                &name,
                format!(
                    "Manila share {} carries our label, but nothing tells whether it was made or only adopted for Docker (Fuxi wrote the same for both), so it is not deleted; if you mean it: openstack share delete {}",
                    record.id(),
                    record.id()
                ),
            )),
        }
    }

    /// Docker removes only what none of its containers has; but the last Unmounts of a Docker that was killed never come.
    /// So the kernel decides, once a container had time to show.
    async fn references_are_dead(&self, record: &ShareRecord) -> Result<bool> {
        if record.references.is_empty() || record.doubtful {
            return Ok(true);
        }
        let (Some(export), false) =
            (self.mounted_export(record)?, self.ledger.mounted_within(&record.name, self.common.shows_after))
        else {
            return Ok(record.mounted.is_none());
        };
        let usage = self.host.share_usage(&record.name, &export).await;
        Ok(usage.map_err(|e| Error::host(&record.name, e))?.others.is_empty())
    }

    async fn refuse_if_docker_hosts_use_it(&self, record: &ShareRecord) -> Result<()> {
        let rules = self.rules(record).await?;
        let docker: Vec<_> = rules.iter().filter(|r| self.marks.is_of_a_docker_host(r)).collect();
        self.used_by(record, &docker).map_or(Ok(()), Err)
    }

    /// Who else is let in, as an error.
    fn used_by(&self, record: &ShareRecord, rules: &[&AccessRule]) -> Option<Error> {
        let named: Vec<_> = rules
            .iter()
            .filter(|r| is_lasting(r))
            .map(|rule| {
                let made = match rule.metadata.get(&self.marks.host) {
                    Some(host) if self.marks.is_of_a_docker_host(rule) => {
                        format!("made by Docker host {host}")
                    }
                    _ => "not made for Docker".to_owned(),
                };
                let printable: String = made.chars().filter(|c| !c.is_control()).collect();
                format!("{} {} (rule {}, {printable})", rule.access_type, rule.access_to, rule.id)
            })
            .collect();
        (!named.is_empty()).then(|| Error::InUse {
            name: record.name.clone(),
            by: format!(
                "share {} lets in {}; stop the containers there, or end a rule nobody needs (openstack share access delete {} RULE)",
                record.id(),
                named.join(", "),
                record.id()
            ),
        })
    }

    async fn delete(&self, mut record: ShareRecord) -> Result<()> {
        let name = record.name.clone();
        let Some(share) = self.look(&record).await? else { return self.ledger.remove(&name) };
        if let Some(error) = self.objection(&record, &share).await? {
            self.stand_down(record)?;
            return Err(error);
        }
        record.stage = Stage::Deleting;
        self.ledger.save(&record)?;
        if share.status != "deleting"
            && let Err(error) = self.cloud.delete_share(&share.id).await
            && !error.effect_unknown()
        {
            self.stand_down(record)?;
            return Err(Error::cloud(&name, "delete it", error));
        }
        self.await_gone(record, true).await
    }

    /// Why the share may not be deleted now, if so.
    async fn objection(&self, record: &ShareRecord, share: &Share) -> Result<Option<Error>> {
        let name = &record.name;
        // Journal and mark must agree before anything is destroyed.
        let proven = self.marks.names(share, name)
            && self.marks.origin(share) == Origin::Created
            && share.metadata.get(&self.marks.request) == Some(&record.token);
        if !proven {
            return Ok(Some(Error::refused(
                name,
                format!(
                    "Manila share {} no longer carries the marks of one we made, so it is not deleted; restore them or delete it with openstack share delete",
                    share.id
                ),
            )));
        }
        if share.status == "deleting" {
            return Ok(None);
        }
        let rules = self.rules(record).await?;
        Ok(self.used_by(record, &rules.iter().collect::<Vec<_>>()))
    }

    /// A removal that was refused is over: the user was told so, and what remains is a share like any other.
    fn stand_down(&self, mut record: ShareRecord) -> Result<()> {
        if record.stage == Stage::Deleting {
            record.stage = Stage::Ready;
            self.ledger.save(&record)?;
        }
        Ok(())
    }

    /// Ends a removal whose outcome nobody saw: what is gone is forgotten, what is on its way is left to go, anything
    /// else is a share again. Nothing is destroyed here: since the user's request failed, another host may use the share,
    /// and a moment between two of its containers is no proof that nobody needs it.
    pub(super) async fn settle_removal(&self, record: ShareRecord) -> Result<()> {
        match self.look(&record).await? {
            None => self.ledger.remove(&record.name),
            Some(share) if share.status == "deleting" => Ok(()),
            Some(_) => self.stand_down(record),
        }
    }

    /// `ask_again`: a request that was lost on its way is sent once more, if nothing speaks against it by now.
    pub(super) async fn await_gone(&self, mut record: ShareRecord, ask_again: bool) -> Result<()> {
        let name = record.name.clone();
        let started = Instant::now();
        let mut pause = self.common.poll_first;
        let mut may_ask = ask_again;
        loop {
            let Some(share) = self.look(&record).await? else { return self.ledger.remove(&name) };
            if share.status == "available" && std::mem::take(&mut may_ask) {
                if let Some(error) = self.objection(&record, &share).await? {
                    self.stand_down(record)?;
                    return Err(error);
                }
                self.cloud
                    .delete_share(record.id())
                    .await
                    .map_err(|e| Error::cloud(&name, "delete it", e))?;
            }
            if share.status.starts_with("error") || started.elapsed() > self.common.cloud_patience {
                record.stage = Stage::Ready;
                self.ledger.save(&record)?;
                let why = self.why(record.id()).await;
                return Err(Error::refused(
                    &name,
                    format!("Manila did not delete share {} (status {}){why}", record.id(), share.status),
                ));
            }
            self.wait(&mut pause).await;
        }
    }
}
