//! The mark: what we write into a share's metadata and into that of access rules.

use std::collections::BTreeMap;

use host_storage::shares::Root;
use openstack::shared_file_systems::{AccessRule, Share};

use super::request::How;
use crate::marks::{FROM, NAME};
use crate::record::Origin;

/// Value of the root mark once owner and mode were set.
const DONE: &str = "done";

/// The keys that depend on the label.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    pub(crate) label: String,
    /// `adopted`.
    pub(crate) origin: String,
    /// Which request made it: tells our share from a twin made by another host at the same time, and our rule from others.
    pub(crate) request: String,
    /// Values of the user's that our keys replaced, as JSON.
    pub(crate) before: String,
    /// How it is mounted, as JSON.
    pub(crate) how: String,
    /// Owner and mode that its root is still to get, as JSON, or `done`.
    pub(crate) root: String,
    /// Another host than its maker used it.
    pub(crate) used: String,
    /// Of a rule: the host that made it.
    pub(crate) host: String,
}

impl Marks {
    pub(crate) fn new(label: &str) -> Self {
        let key = |what: &str| format!("{label}_{what}");
        Self {
            label: label.to_owned(),
            origin: key("origin"),
            request: key("request"),
            before: key("before"),
            how: key("mount"),
            root: key("root"),
            used: key("used"),
            host: key("host"),
        }
    }

    /// Whether the share carries our mark for this name.
    pub(crate) fn names(&self, share: &Share, name: &str) -> bool {
        self.name_of(share) == Some(name)
    }

    /// Docker's name of the share, if it carries our mark, or the one OpenStack's Fuxi left: the label alone, and Docker's
    /// name as Manila's.
    pub(crate) fn name_of<'s>(&self, share: &'s Share) -> Option<&'s str> {
        let from = share.metadata.get(FROM)?;
        (*from == self.label).then_some(())?;
        let own = [&self.origin, &self.request].iter().any(|k| share.metadata.contains_key(*k));
        let name = match share.metadata.get(NAME) {
            Some(name) => name,
            None if !own => &share.name,
            None => return None,
        };
        Some(name.as_str()).filter(|n| crate::name::check(n).is_ok())
    }

    pub(crate) fn origin(&self, share: &Share) -> Origin {
        if share.metadata.contains_key(&self.origin) {
            Origin::Adopted
        } else if share.metadata.contains_key(&self.request) {
            Origin::Created
        } else {
            Origin::Unknown
        }
    }

    pub(crate) fn before_of(&self, share: &Share) -> BTreeMap<String, String> {
        share.metadata.get(&self.before).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }

    pub(crate) fn how_of(&self, share: &Share) -> How {
        share.metadata.get(&self.how).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }

    /// What its root is still to get.
    pub(crate) fn root_of(&self, share: &Share) -> Root {
        share.metadata.get(&self.root).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }

    /// What a share of ours is made with.
    pub(crate) fn for_new(
        &self,
        name: &str,
        request: &str,
        how: &How,
        root: &Root,
    ) -> BTreeMap<String, String> {
        let mut metadata = self.of(&[(FROM, &self.label), (NAME, name), (&self.request, request)]);
        metadata.extend(self.how_mark(how));
        if !root.is_empty() {
            metadata.insert(self.root.clone(), serde_json::to_string(root).unwrap_or_default());
        }
        metadata
    }

    /// What is written to a share that is adopted, beside `before`.
    pub(crate) fn for_adopted(&self, name: &str, how: &How) -> BTreeMap<String, String> {
        let mut metadata = self.of(&[(FROM, &self.label), (NAME, name), (&self.origin, "adopted")]);
        metadata.extend(self.how_mark(how));
        metadata
    }

    /// Its root has got what it was to get.
    pub(crate) fn root_done(&self) -> BTreeMap<String, String> {
        self.of(&[(&self.root, DONE)])
    }

    pub(crate) fn used(&self) -> BTreeMap<String, String> {
        self.of(&[(&self.used, "true")])
    }

    /// What a rule of ours is made with.
    pub(crate) fn for_rule(&self, host: &str, request: &str) -> BTreeMap<String, String> {
        // Manila's longest value.
        let host: String = host.chars().take(255).collect();
        self.of(&[(FROM, &self.label), (&self.host, &host), (&self.request, request)])
    }

    /// The rule was made by that request.
    pub(crate) fn is_of(&self, rule: &AccessRule, request: &str) -> bool {
        rule.metadata.get(FROM) == Some(&self.label)
            && rule.metadata.get(&self.request).is_some_and(|r| r == request)
    }

    /// A Docker host of our label made the rule.
    pub(crate) fn is_of_a_docker_host(&self, rule: &AccessRule) -> bool {
        rule.metadata.get(FROM) == Some(&self.label) && rule.metadata.contains_key(&self.request)
    }

    /// The keys an adoption writes, in the order in which they are taken away again: those that make the share
    /// discoverable go last.
    pub(crate) fn of_adoption(&self) -> [&str; 5] {
        [&self.before, &self.how, &self.origin, NAME, FROM]
    }

    fn how_mark(&self, how: &How) -> Option<(String, String)> {
        (*how != How::default()).then(|| (self.how.clone(), serde_json::to_string(how).unwrap_or_default()))
    }

    fn of(&self, pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }
}
