//! Cinder, as a tenant and as its administrator.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use testkit::World;

use super::Session;
use crate::text;

/// The type of volumes that may be attached more than once.
pub const MULTIATTACH: &str = "multiattach";
/// The type of volumes that are files of an NFS export.
pub const NFS: &str = "nfs";
/// The default type, of volumes that are iSCSI units.
const ISCSI: &str = "iscsi";
/// How many backends there are.
const BACKENDS: usize = 2;

/// Cinder, for somebody.
#[derive(Debug, Clone)]
pub struct Cinder {
    /// To call it.
    pub session: Session,
}

impl Cinder {
    /// For the user of a project that has the same name.
    ///
    /// # Errors
    /// When Keystone does not know who that is.
    pub fn of(world: &World, who: &'static str) -> Result<Self> {
        let base = format!("/volume/v3/{}", world.cloud.project(who)?);
        Ok(Self { session: Session::new(world, who, base) })
    }

    /// Whether its scheduler has heard of its backends. Before, whatever is made ends in an error.
    pub(super) fn has_pools(&self) -> Result<bool> {
        Ok(self.session.list("/scheduler-stats/get_pools", "pools")?.len() == BACKENDS)
    }

    pub(super) fn make_types(&self) -> Result<()> {
        for (name, extra) in [
            (ISCSI, json!({"volume_backend_name": "lvm"})),
            (MULTIATTACH, json!({"volume_backend_name": "lvm", "multiattach": "<is> True"})),
            (NFS, json!({"volume_backend_name": "nfs"})),
        ] {
            let body = json!({"volume_type": {"name": name, "extra_specs": extra}});
            self.session.call("POST", "/types", Some(body))?;
        }
        Ok(())
    }

    /// Makes a volume of 1 GiB, of the default type or another one, and waits until it is available.
    ///
    /// # Errors
    /// What Cinder answers.
    pub fn make(&self, name: &str, kind: Option<&str>) -> Result<Volume> {
        let body = json!({"volume": {"name": name, "size": 1, "volume_type": kind}});
        let made = self.session.call("POST", "/volumes", Some(body))?;
        let volume = Volume { cinder: self.clone(), id: text(&made, "/volume/id").to_owned() };
        volume.await_status("available")?;
        Ok(volume)
    }

    /// Everything that tenants have made, a line for each.
    ///
    /// # Errors
    /// What Cinder answers; only the administrator may ask.
    pub fn held(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for (path, name) in
            [("volumes", "volumes"), ("snapshots", "snapshots"), ("attachments", "attachments")]
        {
            for found in self.session.list(&format!("/{path}?all_tenants=1"), name)? {
                all.push(format!("{name} in Cinder: {}", text(&found, "/id")));
            }
        }
        Ok(all)
    }
}

/// A volume. It stays until it is deleted.
#[derive(Debug)]
pub struct Volume {
    cinder: Cinder,
    /// Its id.
    pub id: String,
}

impl Volume {
    /// Waits for a status.
    ///
    /// # Errors
    /// When another one stays.
    pub fn await_status(&self, wanted: &str) -> Result<()> {
        self.cinder.session.await_field(&format!("/volumes/{}", self.id), "/volume/status", wanted).map(drop)
    }

    /// Claims and exports it for the host that a connector describes, in one call.
    ///
    /// # Errors
    /// What Cinder answers.
    pub fn attach(&self, connector: &Value) -> Result<Attachment<'_>> {
        let body = json!({"attachment": {"volume_uuid": self.id, "connector": connector, "mode": "rw"}});
        let made = self.cinder.session.call("POST", "/attachments", Some(body))?;
        let info = made.pointer("/attachment/connection_info").cloned().context("no connection")?;
        if text(&info, "/driver_volume_type") != "iscsi" {
            bail!("a connection by `{}` instead of iSCSI", text(&info, "/driver_volume_type"));
        }
        Ok(Attachment { volume: self, id: text(&made, "/attachment/id").to_owned(), info })
    }

    /// Deletes it and waits until it is gone.
    ///
    /// # Errors
    /// What Cinder answers.
    pub fn delete(self) -> Result<()> {
        let path = format!("/volumes/{}", self.id);
        self.cinder.session.call("DELETE", &path, None)?;
        self.cinder.session.await_gone(&path)
    }
}

/// An attachment. It stays until it is deleted.
#[derive(Debug)]
pub struct Attachment<'a> {
    volume: &'a Volume,
    /// Its id.
    pub id: String,
    /// How the host is to connect; holds a secret.
    pub info: Value,
}

impl Attachment<'_> {
    /// Tells Cinder that the host is connected.
    ///
    /// # Errors
    /// What Cinder answers.
    pub fn complete(&self) -> Result<()> {
        let path = format!("/attachments/{}/action", self.id);
        self.volume.cinder.session.call("POST", &path, Some(json!({"os-complete": null}))).map(drop)
    }

    /// Gives the volume back; the host has let go of it before.
    ///
    /// # Errors
    /// What Cinder answers.
    pub fn delete(self) -> Result<()> {
        let path = format!("/attachments/{}", self.id);
        self.volume.cinder.session.call("DELETE", &path, None).map(drop)
    }
}
