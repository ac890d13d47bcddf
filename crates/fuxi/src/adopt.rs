//! Adopting the user's volume, and giving it back exactly as it was found.

use std::collections::BTreeMap;

use openstack::block_storage::Volume;

use crate::marks::{FROM, NAME};
use crate::record::{Origin, Record, Stage};
use crate::request::Request;
use crate::service::Core;
use crate::{Error, Result};

/// The longest metadata value Cinder stores.
const LONGEST: usize = 255;

impl Core {
    pub(crate) async fn adopt(&self, name: &str, request: Request) -> Result<()> {
        let id = request.volume_id.clone().unwrap_or_default();
        let volume = match self.cloud.get_volume(&id).await {
            Ok(volume) => volume,
            Err(e) if e.is_not_found() => {
                return Err(Error::refused(
                    name,
                    format!("there is no Cinder volume {id} in this project; see openstack volume list"),
                ));
            }
            Err(e) => return Err(Error::cloud(name, "look at the volume to adopt", e)),
        };
        self.check_adoptable(name, &request, &volume)?;
        let mut record = Record::new(name, Stage::Adopting, Origin::Adopted, request);
        record.learn(&self.marks, &volume);
        let marks = &self.marks;
        let keys = marks.of_adoption();
        record.before = volume
            .metadata
            .iter()
            .filter(|(k, _)| keys.contains(&k.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut metadata: BTreeMap<String, String> =
            [(FROM, marks.label.as_str()), (NAME, name), (&marks.origin, "adopted")]
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect();
        metadata.extend(marks.of_request(&record.request, None));
        if !record.before.is_empty() {
            let before = serde_json::to_string(&record.before).unwrap_or_default();
            if before.len() > LONGEST {
                return Err(Error::refused(
                    name,
                    format!("volume {id} has metadata {NAME} too long to be kept; rename that key first"),
                ));
            }
            metadata.insert(marks.before.clone(), before);
        }
        self.ledger.save(&record)?;
        let merged = match self.cloud.merge_metadata(&id, &metadata).await {
            // Merging the same again is harmless, and tells whether it works.
            Err(e) if e.effect_unknown() => self.cloud.merge_metadata(&id, &metadata).await,
            other => other,
        };
        let done = match merged {
            Ok(()) => {
                record.stage = Stage::Ready;
                self.ledger.save(&record)
            }
            Err(e) => Err(Error::cloud(name, "mark the volume to adopt", e)),
        };
        if done.is_err() {
            record.stage = Stage::Adopting;
            if let Err(error) = self.give_back(record).await {
                tracing::warn!(volume = name, %error, "cannot undo the adoption yet, tried again later");
            }
        }
        done
    }

    fn check_adoptable(&self, name: &str, request: &Request, volume: &Volume) -> Result<()> {
        let refused = |reason: String| Err(Error::refused(name, reason));
        let id = &volume.id;
        if volume.encrypted {
            return refused(format!(
                "Cinder volume {id} is encrypted, and only plain volumes can be mounted; use one of a type without encryption"
            ));
        }
        match (volume.metadata.get(FROM), volume.metadata.get(NAME)) {
            (Some(label), _) if *label != self.marks.label => {
                return refused(format!(
                    "Cinder volume {id} belongs to {FROM}={label}; remove it there first"
                ));
            }
            (Some(_), Some(other)) => {
                return refused(format!(
                    "Cinder volume {id} is the Docker volume {other} already; use that name"
                ));
            }
            _ => {}
        }
        if [&self.marks.format, &self.marks.request].iter().any(|k| volume.metadata.contains_key(*k)) {
            return refused(format!(
                "Cinder volume {id} carries {} of a Docker volume; remove that metadata if it is a leftover",
                self.marks.format
            ));
        }
        let usable = volume.status == "available" || (volume.status == "in-use" && volume.multiattach);
        if !usable {
            return refused(format!(
                "Cinder volume {id} is {}, not available; detach it first (openstack volume show {id})",
                volume.status
            ));
        }
        match request.size {
            Some(size) if size != volume.size => {
                refused(format!("Cinder volume {id} has {} GiB, not {size}; leave size out", volume.size))
            }
            _ => Ok(()),
        }
    }

    /// Puts the user's metadata back as it was and forgets the volume. Never deletes it.
    pub(crate) async fn give_back(&self, record: Record) -> Result<()> {
        let (name, id) = (&record.name, record.id());
        let failed = |e| Error::cloud(name, "give it back", e);
        let volume = match self.cloud.get_volume(id).await {
            Ok(volume) => volume,
            Err(e) if e.is_not_found() => return self.ledger.remove(name),
            Err(e) => return Err(failed(e)),
        };
        let taken = |key: &str, ours: &str| {
            volume.metadata.get(key).is_some_and(|v| v != ours && Some(v) != record.before.get(key))
        };
        if taken(NAME, name) || taken(FROM, &self.marks.label) {
            tracing::warn!(volume = name, id, "given back elsewhere and adopted anew: left to its new owner");
            return self.ledger.remove(name);
        }
        let keys = self.marks.of_adoption();
        for key in keys.into_iter().filter(|k| !record.before.contains_key(*k)) {
            if volume.metadata.contains_key(key) {
                match self.cloud.delete_metadata_key(id, key).await {
                    Err(e) if !e.is_not_found() => return Err(failed(e)),
                    _ => {}
                }
            }
        }
        if record.before.iter().any(|(k, v)| volume.metadata.get(k) != Some(v)) {
            self.cloud.merge_metadata(id, &record.before).await.map_err(failed)?;
        }
        self.ledger.remove(name)
    }
}
