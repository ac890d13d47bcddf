//! Claiming, connecting and releasing a volume: the rules both attach flows share.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Cinder;
use super::call::Call;
use super::fault::Fault;
use super::model::{AttachStatus, Attachment, State, VolumeStatus};
use super::transitions::planned;
use crate::caller::Caller;

/// Claims a volume for one more attachment: compare and swap, the only lock between hosts.
pub(super) fn reserve(
    state: &mut State,
    caller: &Caller,
    id: &str,
    instance: Option<&str>,
) -> Result<(), Fault> {
    let volume = state.volume(caller, id)?;
    let (status, multiattach) = (volume.status, volume.multiattach);
    let mut expected = vec![VolumeStatus::Available];
    if multiattach {
        expected.push(VolumeStatus::InUse);
    }
    // A server being moved reserves what it already holds.
    let again = instance.is_some_and(|instance| {
        state.attachments_of(id).iter().any(|a| a.instance_uuid.as_deref() == Some(instance))
    });
    let broken = status.as_str().contains("error");
    if !expected.contains(&status) && (broken || !again) {
        let wanted =
            if multiattach { "available or in-use or downloading" } else { "available or downloading" };
        return Err(Fault::invalid_volume(format!(
            "Volume {id} status must be {wanted} to reserve, but the current status is {}.",
            status.as_str()
        )));
    }
    if let Some(volume) = state.volumes.get_mut(id) {
        volume.status = VolumeStatus::Reserved;
    }
    Ok(())
}

/// `rw` or `ro`; anything else is no mode.
pub(super) fn mode_of(value: &Value) -> Option<&'static str> {
    match value.as_str() {
        Some("rw") => Some("rw"),
        Some("ro") => Some("ro"),
        _ => None,
    }
}

impl Cinder {
    /// What a server uses is taken from it by Nova only (CVE-2023-2088). One that is gone uses nothing.
    pub(super) fn may_release(&self, call: &Call, attachment: &Attachment) -> Result<(), Fault> {
        let Some(server) = attachment.instance_uuid.as_deref().filter(|_| !call.service) else {
            return Ok(());
        };
        let compute = self.compute.get();
        if compute.is_none_or(|compute| compute.uses(server, &attachment.volume_id, &attachment.id)) {
            return Err(Fault::conflict(format!(
                "Detach volume from instance {server} using the Compute API"
            )));
        }
        Ok(())
    }

    /// Exports the volume and says how to reach it, without `attachment_id`. The caller holds the volume's turn.
    ///
    /// # Errors
    /// The reason as text.
    pub(super) async fn export(&self, volume_id: &str, mode: &str) -> Result<Map<String, Value>, String> {
        let (encrypted, readonly) = self
            .read(|state| state.volumes.get(volume_id).map(|v| (v.encrypted, v.readonly == Some(true))))
            .ok_or("the volume is gone")?;
        if readonly && mode != "ro" {
            return Err(format!("Invalid attaching mode '{mode}' for volume {volume_id}."));
        }
        let slower = Duration::from_millis(self.faults().connect_ms);
        tokio::time::sleep(self.options.latencies.connect + slower).await;
        if self.fails(|faults| &mut faults.next_connect_fails) {
            return Err(planned().to_string());
        }
        let Some(path) = &self.data_path else {
            tracing::error!(
                volume = volume_id,
                "cannot connect a volume: this cloud models volumes only; start it with a volume data path"
            );
            return Err("this development cloud has no volume data path".into());
        };
        let device = path.export(volume_id, mode == "ro").await.map_err(|error| error.to_string())?;
        let mut info = Map::new();
        for (key, value) in [
            ("driver_volume_type", json!("local")),
            ("device_path", json!(device)),
            ("volume_id", json!(volume_id)),
            ("access_mode", json!(mode)),
            ("encrypted", json!(encrypted)),
            ("qos_specs", Value::Null),
            ("cacheable", json!(false)),
            ("enforce_multipath", json!(false)),
        ] {
            info.insert(key.into(), value);
        }
        Ok(info)
    }

    /// Takes the export away if no attachment but `leaving` still uses it. The caller holds the volume's turn.
    ///
    /// # Errors
    /// The reason as text; the export is then still there.
    pub(super) async fn unexport(&self, volume_id: &str, leaving: Option<&str>) -> Result<(), String> {
        tokio::time::sleep(self.options.latencies.disconnect).await;
        if self.fails(|faults| &mut faults.next_disconnect_fails) {
            return Err(planned().to_string());
        }
        let shared = self.read(|state| {
            let own = state.attachments_of(volume_id);
            own.iter().any(|a| Some(a.id.as_str()) != leaving && a.is_connected())
        });
        match &self.data_path {
            Some(path) if !shared => path.unexport(volume_id).await.map_err(|error| error.to_string()),
            _ => Ok(()),
        }
    }

    /// Connects a reserved attachment. A failure leaves volume and attachment as they were.
    pub(super) async fn connect(
        self: &Arc<Self>,
        volume_id: &str,
        attachment_id: &str,
        connector: Map<String, Value>,
        mode: &'static str,
    ) -> Result<(), String> {
        let _turn = self.gate(volume_id).await;
        let gone = || format!("the attachment {attachment_id} was deleted meanwhile");
        if !self.read(|state| state.attachments.contains_key(attachment_id)) {
            return Err(gone());
        }
        let mut info = self.export(volume_id, mode).await?;
        info.insert("attachment_id".into(), json!(attachment_id));
        let text = |key: &str| connector.get(key).and_then(Value::as_str).map(str::to_owned);
        let (host, mountpoint) = (text("host"), text("mountpoint"));
        self.write(|state| {
            let attachment = state.attachments.get_mut(attachment_id).ok_or_else(gone)?;
            attachment.host = host;
            attachment.mountpoint = mountpoint;
            attachment.connector = Some(connector);
            attachment.connection_info = info;
            attachment.status = AttachStatus::Attaching;
            if let Some(volume) = state.volumes.get_mut(volume_id) {
                volume.status = VolumeStatus::Attaching;
            }
            Ok(())
        })
    }

    /// Disconnects and forgets an attachment; the volume's status follows from those left.
    pub(super) async fn release(self: &Arc<Self>, volume_id: &str, attachment_id: &str) -> Result<(), Fault> {
        let _turn = self.gate(volume_id).await;
        let connected = self.read(|state| state.attachments.get(attachment_id).map(Attachment::is_connected));
        match connected {
            // Somebody else was faster: it is released.
            None => return Ok(()),
            Some(false) => {}
            Some(true) => {
                if let Err(reason) = self.unexport(volume_id, Some(attachment_id)).await {
                    tracing::error!(
                        volume = volume_id,
                        attachment = attachment_id,
                        reason,
                        "cannot disconnect"
                    );
                    return Err(Fault::internal(format!("Unable to terminate volume connection: {reason}")));
                }
            }
        }
        self.write(|state| {
            state.attachments.remove(attachment_id);
            state.settle(volume_id);
        });
        Ok(())
    }
}
