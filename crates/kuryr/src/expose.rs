//! Exposed ports: one security group per set of ports, made before a container's port carries it.

use std::collections::BTreeSet;

use openstack::network::{NewSecurityGroup, NewSecurityGroupRule, SecurityGroup};

use crate::api::ExposedPort;
use crate::error::CloudContext;
use crate::service::{Inner, settle};
use crate::state::{GroupRow, Phase, is_late, late_until};
use crate::{Error, Result};

/// The rules of a set of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Protocol, first and last port.
    ranges: Vec<(&'static str, u16, u16)>,
}

/// A rule for each: a port may get an address of the other family later.
const ETHERTYPES: [&str; 2] = ["IPv4", "IPv6"];

impl Opening {
    /// Consecutive ports become one rule.
    pub(crate) fn of(exposed: &[ExposedPort]) -> Result<Self> {
        let mut ranges: Vec<(&'static str, u16, u16)> = Vec::new();
        for port in exposed.iter().copied().collect::<BTreeSet<_>>() {
            let protocol = match port.protocol {
                6 => "tcp",
                17 => "udp",
                132 => "sctp",
                other => {
                    let reason = "cannot be opened; expose tcp, udp or sctp ports".to_owned();
                    return Err(Error::Invalid {
                        what: "exposed protocol",
                        resource: other.to_string(),
                        reason,
                    });
                }
            };
            match ranges.last_mut() {
                Some((p, _, last)) if *p == protocol && last.checked_add(1) == Some(port.port) => {
                    *last = port.port
                }
                _ => ranges.push((protocol, port.port, port.port)),
            }
        }
        Ok(Self { ranges })
    }

    /// The same for the same rules in the same project, whatever order they came in.
    pub(crate) fn key(&self, project: Option<&str>) -> String {
        let text = format!("{:?} {ETHERTYPES:?} {}", self.ranges, project.unwrap_or_default());
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string()
    }

    fn rules(&self, group: &str) -> Vec<NewSecurityGroupRule> {
        let rule = |ethertype: &'static str, (protocol, first, last): &(&'static str, u16, u16)| {
            NewSecurityGroupRule {
                security_group_id: group.to_owned(),
                direction: "ingress",
                ethertype,
                protocol: (*protocol).to_owned(),
                port_range_min: *first,
                port_range_max: *last,
            }
        };
        ETHERTYPES.iter().flat_map(|e| self.ranges.iter().map(|r| rule(e, r))).collect()
    }
}

fn description(mark: &str) -> String {
    format!("ports exposed by containers on a host, made by kuryr, mark {mark}")
}

impl Inner {
    /// The group for these rules, made if there is none. The caller has noted its use of the key already.
    pub(crate) async fn ensure_group(&self, opening: &Opening, project: Option<&str>) -> Result<String> {
        let key = opening.key(project);
        let _turn = self.locks.lock("group", &key).await;
        if let Some(row) = self.groups.get(&key) {
            if let (Phase::Ready, Some(id)) = (row.phase, &row.neutron_id) {
                return Ok(id.clone());
            }
            self.dismantle_group(&row).await?;
        }
        let mut row = GroupRow {
            name: format!("kuryr-expose-{key}"),
            id: key,
            phase: Phase::Creating,
            late_until: None,
            mark: self.marks.fresh(),
            neutron_id: None,
            project: project.map(str::to_owned),
        };
        self.groups.put(&row.id, &row)?;
        match self.make_group(&mut row, opening).await {
            Ok(id) => Ok(id),
            Err(error) => {
                row.phase = Phase::Deleting;
                row.late_until = late_until(&error);
                self.groups.put(&row.id, &row)?;
                if let Err(error) = self.dismantle_group(&row).await {
                    tracing::warn!(group = row.name, %error, "cannot undo the group now, trying again later");
                }
                Err(error)
            }
        }
    }

    async fn make_group(&self, row: &mut GroupRow, opening: &Opening) -> Result<String> {
        let new = NewSecurityGroup {
            name: row.name.clone(),
            description: description(&row.mark),
            project_id: row.project.clone(),
        };
        let made = self.neutron.create_security_group(&new).await;
        let look = async { Ok(self.marked_groups(row).await?.into_iter().next()) };
        let id = settle(made, look).await.doing("create security group", &row.name)?.id;
        row.neutron_id = Some(id.clone());
        self.groups.put(&row.id, row)?;
        let rules = opening.rules(&id);
        let made = match self.neutron.create_security_group_rules(&rules).await {
            // One request, all or nothing: a conflict on the repetition says that the first took effect.
            Err(error) if error.effect_unknown() => {
                match self.neutron.create_security_group_rules(&rules).await {
                    Err(again) if again.is_conflict() && !again.is_over_quota() => Ok(()),
                    other => other,
                }
            }
            other => other,
        };
        made.doing("open ports in security group", &row.name)?;
        row.phase = Phase::Ready;
        self.groups.put(&row.id, row)?;
        Ok(id)
    }

    async fn marked_groups(&self, row: &GroupRow) -> openstack::Result<Vec<SecurityGroup>> {
        let mut found = self.neutron.list_security_groups(&[("name", &row.name)]).await?;
        found.retain(|g| g.name == row.name && g.description == description(&row.mark));
        Ok(found)
    }

    /// Forgets a group somebody deleted in the cloud, unless another endpoint has made it anew already.
    pub(crate) async fn forget_group(&self, key: &str, deleted: &str) -> Result<()> {
        let _turn = self.locks.lock("group", key).await;
        if self.groups.get(key).is_some_and(|g| g.neutron_id.as_deref() == Some(deleted)) {
            self.groups.remove(key)?;
        }
        Ok(())
    }

    /// Removes the group if no port of ours carries it any more.
    pub(crate) async fn release_group(&self, key: &str) -> Result<()> {
        let _turn = self.locks.lock("group", key).await;
        let Some(mut row) = self.groups.get(key) else { return Ok(()) };
        if self.ports.find(|p| p.groups.contains(key)).is_some() {
            return Ok(());
        }
        let complete = row.phase == Phase::Ready;
        row.phase = Phase::Deleting;
        self.groups.put(key, &row)?;
        match self.dismantle_group(&row).await {
            Err(Error::Cloud { source, .. }) if complete && source.is_conflict() => {
                // Somebody else's port carries it; it is whole and is looked at again later.
                row.phase = Phase::Ready;
                Ok(self.groups.put(key, &row)?)
            }
            Err(error) => {
                tracing::warn!(group = row.name, %error, "cannot remove the group now, trying again later");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn dismantle_group(&self, row: &GroupRow) -> Result<()> {
        let groups = match &row.neutron_id {
            Some(id) => vec![id.clone()],
            None => {
                let found = self.marked_groups(row).await.doing("find security group", &row.name)?;
                found.into_iter().map(|g| g.id).collect()
            }
        };
        for id in groups {
            self.neutron.delete_security_group(&id).await.doing("delete security group", id)?;
        }
        if row.neutron_id.is_none() && is_late(row.late_until) {
            // Under a name of its own, so that the next user of the same ports does not overwrite it.
            if row.id != row.mark {
                self.groups.put(&row.mark, &GroupRow { id: row.mark.clone(), ..row.clone() })?;
                self.groups.remove(&row.id)?;
            }
            return Ok(());
        }
        Ok(self.groups.remove(&row.id)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(list: &[(u8, u16)]) -> Vec<ExposedPort> {
        list.iter().map(|(protocol, port)| ExposedPort { protocol: *protocol, port: *port }).collect()
    }

    #[test]
    fn consecutive_ports_become_one_range_and_the_order_does_not_matter() {
        let opening = Opening::of(&ports(&[(17, 1236), (17, 1234), (6, 1235), (17, 1235)])).unwrap();
        assert_eq!(opening.ranges, [("tcp", 1235, 1235), ("udp", 1234, 1236)]);
        assert_eq!(opening.rules("g").len(), 4);
        let other = Opening::of(&ports(&[(17, 1235), (17, 1236), (6, 1235), (17, 1234)])).unwrap();
        assert_eq!(opening.key(None), other.key(None));
        assert_ne!(opening.key(None), Opening::of(&ports(&[(17, 1235)])).unwrap().key(None));
        assert_ne!(opening.key(None), opening.key(Some("p")));
    }

    #[test]
    fn a_protocol_without_ports_is_refused() {
        assert!(Opening::of(&ports(&[(1, 8)])).is_err());
        assert!(Opening::of(&ports(&[(132, 8), (6, 65535)])).is_ok());
    }
}
