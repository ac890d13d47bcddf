//! Attributes every Neutron resource has.

use serde::{Deserialize, Serialize};

use crate::clock::neutron_now;

/// Identity, owner, description, tags and change counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standard {
    /// UUID.
    pub id: String,
    /// Owner.
    pub project_id: String,
    /// Name, not unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Tags, in the order they were set.
    pub tags: Vec<String>,
    /// Time of creation.
    pub created_at: String,
    /// Time of the last change.
    pub updated_at: String,
    /// Counts changes.
    pub revision_number: u64,
}

impl Standard {
    /// A new resource of a project.
    pub(crate) fn new(project_id: &str, name: String, description: String) -> Self {
        let now = neutron_now();
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            project_id: project_id.into(),
            name,
            description,
            tags: Vec::new(),
            created_at: now.clone(),
            updated_at: now,
            revision_number: 1,
        }
    }

    /// Of what Neutron makes in one step: its first state is revision 0, where networks, ports and groups are at 1.
    pub(crate) fn made_at_once(mut self) -> Self {
        self.revision_number = 0;
        self
    }

    /// Notes a change.
    pub(crate) fn bump(&mut self) {
        self.revision_number += 1;
        self.updated_at = neutron_now();
    }
}
