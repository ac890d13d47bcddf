//! Limits per project.

use std::collections::BTreeMap;

use super::Model;

/// Neutron's own defaults.
pub(crate) const DEFAULTS: [(&str, i64); 10] = [
    ("network", 100),
    ("subnet", 100),
    ("subnetpool", -1),
    ("port", 500),
    ("security_group", 10),
    ("security_group_rule", 100),
    ("router", 10),
    ("floatingip", 50),
    ("rbac_policy", 10),
    ("trunk", -1),
];

impl Model {
    /// A project's limit; negative: none.
    pub(crate) fn limit(&self, project: &str, resource: &str) -> i64 {
        self.quotas.get(project).and_then(|q| q.get(resource)).copied().unwrap_or_else(|| {
            DEFAULTS.iter().find(|(name, _)| *name == resource).map_or(-1, |(_, limit)| *limit)
        })
    }

    /// All limits of a project.
    pub(crate) fn limits(&self, project: &str) -> BTreeMap<&'static str, i64> {
        DEFAULTS.iter().map(|(name, _)| (*name, self.limit(project, name))).collect()
    }

    /// How many a project has.
    pub(crate) fn used(&self, project: &str, resource: &str) -> usize {
        let own = |p: &str| p == project;
        match resource {
            "network" => self.networks.values().filter(|r| own(&r.standard.project_id)).count(),
            "subnet" => self.subnets.values().filter(|r| own(&r.standard.project_id)).count(),
            "subnetpool" => self.subnetpools.values().filter(|r| own(&r.standard.project_id)).count(),
            "port" => self.ports.values().filter(|r| own(&r.standard.project_id)).count(),
            "security_group" => self.security_groups.values().filter(|r| own(&r.standard.project_id)).count(),
            "trunk" => self.trunks.values().filter(|r| own(&r.standard.project_id)).count(),
            "security_group_rule" => {
                self.security_group_rules.values().filter(|r| own(&r.standard.project_id)).count()
            }
            _ => 0,
        }
    }

    /// Whether one more stays within the limit.
    pub(crate) fn has_room(&self, project: &str, resource: &str) -> bool {
        let limit = self.limit(project, resource);
        limit < 0 || i64::try_from(self.used(project, resource)).unwrap_or(i64::MAX) < limit
    }
}
