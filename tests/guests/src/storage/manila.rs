//! Manila, as a tenant and as its administrator.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::World;

use super::Session;
use crate::text;

/// The type of shares that `default_share_type` names.
const DEFAULT: &str = "default";

/// Manila, for somebody.
#[derive(Debug, Clone)]
pub struct Manila {
    /// To call it.
    pub session: Session,
}

impl Manila {
    /// For the user of a project that has the same name.
    #[must_use]
    pub fn of(world: &World, who: &'static str) -> Self {
        Self { session: Session::new(world, who, "/share/v2".to_owned()) }
    }

    /// Whether its scheduler has heard of its backends. Before, whatever is made ends in an error.
    pub(super) fn has_pools(&self) -> Result<bool> {
        Ok(!self.session.list("/scheduler-stats/pools", "pools")?.is_empty())
    }

    pub(super) fn make_types(&self) -> Result<()> {
        let extra = json!({"driver_handles_share_servers": "false", "snapshot_support": "true"});
        let body = json!({"share_type": {"name": DEFAULT, "extra_specs": extra}});
        self.session.call("POST", "/types", Some(body)).map(drop)
    }

    /// Makes an NFS share of 1 GiB and waits until it is available.
    ///
    /// # Errors
    /// What Manila answers.
    pub fn make(&self, name: &str) -> Result<Share> {
        let body = json!({"share": {"name": name, "size": 1, "share_proto": "NFS"}});
        let made = self.session.call("POST", "/shares", Some(body))?;
        let share = Share { manila: self.clone(), id: text(&made, "/share/id").to_owned() };
        self.session.await_field(&share.path(""), "/share/status", "available")?;
        Ok(share)
    }

    /// Everything that tenants have made, a line for each.
    ///
    /// # Errors
    /// What Manila answers; only the administrator may ask.
    pub fn held(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for share in self.session.list("/shares?all_tenants=1", "shares")? {
            let id = text(&share, "/id");
            all.push(format!("share in Manila: {id}"));
            let rules = self.session.list(&format!("/share-access-rules?share_id={id}"), "access_list")?;
            all.extend(rules.iter().map(|rule| format!("rule in Manila: {}", text(rule, "/id"))));
        }
        Ok(all)
    }
}

/// A share. It stays until it is deleted.
#[derive(Debug)]
pub struct Share {
    manila: Manila,
    /// Its id.
    pub id: String,
}

impl Share {
    fn path(&self, rest: &str) -> String {
        format!("/shares/{}{rest}", self.id)
    }

    /// Where it is exported: what `mount` takes.
    ///
    /// # Errors
    /// What Manila answers.
    pub fn location(&self) -> Result<String> {
        let all = self.manila.session.list(&self.path("/export_locations"), "export_locations")?;
        let usable = all.iter().find(|l| l.get("is_admin_only").and_then(Value::as_bool) != Some(true));
        let location = usable.map(|location| text(location, "/path").to_owned());
        location.with_context(|| format!("share {} is exported nowhere", self.id))
    }

    /// Lets an address in, to read and write, and waits until it is; id of the rule.
    ///
    /// # Errors
    /// What Manila answers.
    pub fn allow(&self, address: &str) -> Result<String> {
        let rule = json!({"access_type": "ip", "access_to": address, "access_level": "rw"});
        let made = self.act(json!({"allow_access": rule}))?;
        let id = text(&made, "/access/id").to_owned();
        let path = format!("/share-access-rules/{id}");
        self.manila.session.await_field(&path, "/access/state", "active")?;
        Ok(id)
    }

    /// Takes a rule away and waits until it is gone.
    ///
    /// # Errors
    /// What Manila answers.
    pub fn deny(&self, rule: &str) -> Result<()> {
        self.act(json!({"deny_access": {"access_id": rule}}))?;
        self.manila.session.await_gone(&format!("/share-access-rules/{rule}"))
    }

    /// Deletes it and waits until it is gone.
    ///
    /// # Errors
    /// What Manila answers.
    pub fn delete(self) -> Result<()> {
        self.manila.session.call("DELETE", &self.path(""), None)?;
        self.manila.session.await_gone(&self.path(""))
    }

    fn act(&self, body: Value) -> Result<Value> {
        self.manila.session.call("POST", &self.path("/action"), Some(body))
    }
}
