//! Being let in: the access rule this host uses a share by.

use openstack::shared_file_systems::{AccessRule, NewAccess};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::Shares;
use super::identity::{AccessType, Identity};
use super::record::{Rule, ShareRecord};
use crate::record::Origin;
use crate::{Error, Result};

/// What a rule gave us beside the right to mount: a Ceph key.
#[derive(Debug, Default)]
pub(super) struct Granted {
    pub(super) key: Option<SecretString>,
}

/// How a look at a rule ended.
enum Seen {
    Active(AccessRule),
    Gone,
}

impl Shares {
    /// Has the share let this host in: by a rule that is there already, or else by one of our own, which is in the
    /// journal before it is asked for.
    pub(super) async fn access(&self, record: &mut ShareRecord) -> Result<Granted> {
        let identity = self.identity_for(record)?;
        let mut known = self.remembered_rule(record, &identity).await?;
        // A share that only we used cannot have a rule for us; then the question is saved.
        if known.is_none() && (record.origin != Origin::Created || record.visiting || record.rule.is_some()) {
            known = self.look_for_rule(record, &identity).await?;
        }
        for _ in 0..3 {
            let rule = match known.take() {
                Some(rule) => rule,
                None => match self.ask_for_rule(record, &identity).await? {
                    Some(rule) => rule,
                    // There is one after all.
                    None => match self.look_for_rule(record, &identity).await? {
                        Some(rule) => rule,
                        None => continue,
                    },
                },
            };
            match self.await_active(record, &identity, rule).await? {
                Seen::Active(rule) => {
                    return Ok(Granted { key: rule.access_key.filter(|k| !k.expose_secret().is_empty()) });
                }
                Seen::Gone => {
                    record.rule = None;
                    self.ledger.save(record)?;
                }
            }
        }
        Err(Error::refused(
            &record.name,
            format!(
                "its access rule for {} comes and goes; see openstack share access list {}",
                identity.access_to,
                record.id()
            ),
        ))
    }

    fn identity_for(&self, record: &ShareRecord) -> Result<Identity> {
        let name = &record.name;
        if !self.served {
            return Err(Error::refused(
                name,
                "volume_providers does not name manila; add it to use this share",
            ));
        }
        let Some(protocol) = record.protocol() else {
            return Err(Error::refused(
                name,
                format!("it speaks {}, which cannot be mounted here", record.protocol),
            ));
        };
        self.settings.identity(protocol).map_err(|reason| {
            Error::refused(name, format!("this host has no name for {protocol} shares: {reason}"))
        })
    }

    /// The rule of an earlier mount, if it still serves.
    async fn remembered_rule(
        &self,
        record: &mut ShareRecord,
        identity: &Identity,
    ) -> Result<Option<AccessRule>> {
        let Some(rule) = record.rule.clone() else { return Ok(None) };
        let Some(id) = &rule.id else {
            // Its answer was lost.
            let found = self.rule_of(record, &rule.token).await?;
            record.rule = found.as_ref().map(|f| Rule { id: Some(f.id.clone()), ..rule });
            self.ledger.save(record)?;
            return Ok(found);
        };
        match self.cloud.get_access_rule(id).await {
            Ok(found)
                if identity.is_let_in_by(&found)
                    && fits(&found, record.how.read_only)
                    && (rule.ours || self.other_maker(&found).is_none()) =>
            {
                Ok(Some(found))
            }
            // This host has another address or name now.
            Ok(_) => {
                self.drop_rule(record).await?;
                Ok(None)
            }
            Err(e) if e.is_not_found() => {
                record.rule = None;
                self.ledger.save(record)?;
                Ok(None)
            }
            Err(e) => Err(Error::cloud(&record.name, "look at its access rule", e)),
        }
    }

    /// A rule for us that somebody else made, or, after its answer was lost, we.
    async fn look_for_rule(
        &self,
        record: &mut ShareRecord,
        identity: &Identity,
    ) -> Result<Option<AccessRule>> {
        let rules = self.rules(record).await?;
        let mut found: Vec<_> = rules.into_iter().filter(|r| identity.is_let_in_by(r)).collect();
        let read_only = record.how.read_only;
        // One that suffices, works, stays when another host stops, and is for us alone first.
        found.sort_by_key(|r| {
            let theirs = self.other_maker(r).is_some();
            (
                !fits(r, read_only),
                !is_lasting(r),
                r.state == "error",
                theirs,
                r.access_to != identity.access_to,
            )
        });
        let Some(rule) = found.into_iter().next() else { return Ok(None) };
        if !fits(&rule, read_only) && is_lasting(&rule) {
            return Err(Error::refused(
                &record.name,
                format!(
                    "access rule {} lets {} only read it; make it rw, or mount with -o ro=true",
                    rule.id, rule.access_to
                ),
            ));
        }
        let ours = record.rule.as_ref().is_some_and(|r| self.marks.is_of(&rule, &r.token));
        // Its maker ends it with its own last container, and then deletes what it takes for unused.
        if !ours
            && is_lasting(&rule)
            && let Some(host) = self.other_maker(&rule)
        {
            return Err(Error::refused(
                &record.name,
                format!(
                    "access rule {} for {} was made by Docker host {host}, which ends it; give each host its own {}",
                    rule.id,
                    rule.access_to,
                    identity.access_type.setting()
                ),
            ));
        }
        let token = record.rule.as_ref().filter(|_| ours).map(|r| r.token.clone()).unwrap_or_default();
        record.rule = Some(Rule { id: Some(rule.id.clone()), ours, token });
        self.ledger.save(record)?;
        Ok(Some(rule))
    }

    /// The other Docker host of our label that made the rule, and ends it.
    fn other_maker(&self, rule: &AccessRule) -> Option<String> {
        let own = self.marks.for_rule(&self.settings.host, "").remove(&self.marks.host);
        let maker = rule.metadata.get(&self.marks.host);
        (self.marks.is_of_a_docker_host(rule) && maker != own.as_ref()).then(|| {
            let maker = maker.map_or("(unnamed)", String::as_str);
            maker.chars().filter(|c| !c.is_control()).collect()
        })
    }

    /// Asks for a rule of our own. `None`: there is one for the same host already.
    async fn ask_for_rule(
        &self,
        record: &mut ShareRecord,
        identity: &Identity,
    ) -> Result<Option<AccessRule>> {
        let name = record.name.clone();
        let token = uuid::Uuid::new_v4().hyphenated().to_string();
        record.rule = Some(Rule { id: None, ours: true, token: token.clone() });
        self.ledger.save(record)?;
        let new = NewAccess {
            access_type: identity.access_type.name().to_owned(),
            access_to: identity.access_to.clone(),
            access_level: if record.how.read_only { "ro" } else { "rw" }.to_owned(),
            metadata: self.marks.for_rule(&self.settings.host, &token),
        };
        let rule = match self.cloud.allow_access(record.id(), &new).await {
            Ok(rule) => rule,
            Err(error) if error.effect_unknown() => match self.await_rule_of(record, &token).await? {
                Some(rule) => rule,
                None => {
                    record.rule = None;
                    self.ledger.save(record)?;
                    return Err(Error::cloud(&name, "have the share let this host in", error));
                }
            },
            Err(error) => {
                record.rule = None;
                self.ledger.save(record)?;
                // Manila says 400 for a rule that exists, as for all that it does not like.
                let exists = error.status() == Some(400)
                    && self.rules(record).await?.iter().any(|r| identity.is_let_in_by(r));
                if exists {
                    return Ok(None);
                }
                return Err(Error::cloud(&name, "have the share let this host in", error));
            }
        };
        record.rule = Some(Rule { id: Some(rule.id.clone()), ours: true, token });
        self.ledger.save(record)?;
        Ok(Some(rule))
    }

    /// Watches one rule, by its own id: what is done about other rules of the share says nothing about it.
    async fn await_active(
        &self,
        record: &ShareRecord,
        identity: &Identity,
        mut rule: AccessRule,
    ) -> Result<Seen> {
        let started = Instant::now();
        let mut pause = self.common.poll_first;
        let keyed = identity.access_type == AccessType::Cephx;
        loop {
            let has_key = rule.access_key.as_ref().is_some_and(|k| !k.expose_secret().is_empty());
            match rule.state.as_str() {
                "active" if !keyed || has_key => return Ok(Seen::Active(rule)),
                "error" => {
                    let why = self.why(record.id()).await;
                    return Err(Error::refused(
                        &record.name,
                        format!(
                            "the storage cannot apply access rule {} for {}{why}",
                            rule.id, identity.access_to
                        ),
                    ));
                }
                _ if started.elapsed() > self.settings.access_patience => {
                    return Err(Error::refused(
                        &record.name,
                        format!(
                            "access rule {} for {} is still {} after {} s; try again later",
                            rule.id,
                            identity.access_to,
                            rule.state,
                            self.settings.access_patience.as_secs()
                        ),
                    ));
                }
                _ => {}
            }
            self.wait(&mut pause).await;
            rule = match self.cloud.get_access_rule(&rule.id).await {
                Ok(rule) => rule,
                Err(e) if e.is_not_found() => return Ok(Seen::Gone),
                Err(e) => return Err(Error::cloud(&record.name, "look at its access rule", e)),
            };
        }
    }

    /// Ends the rule that lets this host in, if we made it. One whose answer was lost is looked for by its mark.
    pub(super) async fn drop_rule(&self, record: &mut ShareRecord) -> Result<()> {
        let Some(rule) = record.rule.clone() else { return Ok(()) };
        if rule.ours {
            let id = match rule.id {
                Some(id) => Some(id),
                None => self.await_rule_of(record, &rule.token).await?.map(|r| r.id),
            };
            if let Some(id) = id {
                self.cloud
                    .deny_access(record.id(), &id)
                    .await
                    .map_err(|e| Error::cloud(&record.name, "end its access rule", e))?;
            }
        }
        record.rule = None;
        Ok(())
    }

    /// All rules; none if the share is gone.
    pub(super) async fn rules(&self, record: &ShareRecord) -> Result<Vec<AccessRule>> {
        match self.cloud.list_access_rules(record.id()).await {
            Ok(rules) => Ok(rules),
            // Manila answers 400 for the rules of a share that is not there.
            Err(e) if matches!(e.status(), Some(400 | 404)) && self.look(record).await?.is_none() => {
                Ok(Vec::new())
            }
            Err(e) => Err(Error::cloud(&record.name, "look at its access rules", e)),
        }
    }

    async fn rule_of(&self, record: &ShareRecord, token: &str) -> Result<Option<AccessRule>> {
        Ok(self.rules(record).await?.into_iter().find(|r| self.marks.is_of(r, token)))
    }

    /// As [`Self::rule_of`], for as long as a request whose answer was lost may still take effect.
    async fn await_rule_of(&self, record: &ShareRecord, token: &str) -> Result<Option<AccessRule>> {
        let started = Instant::now();
        let mut pause = self.common.poll_first;
        loop {
            let found = self.rule_of(record, token).await?;
            if found.is_some() || started.elapsed() >= self.common.lost_after {
                return Ok(found);
            }
            self.wait(&mut pause).await;
        }
    }
}

fn fits(rule: &AccessRule, read_only: bool) -> bool {
    read_only || rule.access_level == "rw"
}

/// It is not being ended.
pub(super) fn is_lasting(rule: &AccessRule) -> bool {
    !matches!(rule.state.as_str(), "queued_to_deny" | "denying" | "deleted")
}
