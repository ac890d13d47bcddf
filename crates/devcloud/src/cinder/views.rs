//! How resources look on the wire.

use serde_json::{Value, json};

use super::Cinder;
use super::call::Call;
use super::microversion::Microversion;
use super::model::{AttachStatus, Attachment, Metadata, Snapshot, State, Volume};

fn links(call: &Call, id: &str) -> Value {
    // The bookmark has no version in it.
    let bookmark = call.base.replacen("/v3", "", 1);
    json!([
        {"rel": "self", "href": format!("{}/volumes/{id}", call.base)},
        {"rel": "bookmark", "href": format!("{bookmark}/volumes/{id}")},
    ])
}

pub(super) fn volume_summary(call: &Call, volume: &Volume) -> Value {
    json!({"id": volume.id, "name": volume.name, "links": links(call, &volume.id)})
}

/// A volume with everything the caller may see at this microversion.
pub(super) fn volume(cinder: &Cinder, call: &Call, state: &State, volume: &Volume) -> Value {
    let attachments: Vec<Value> = state
        .attachments_of(&volume.id)
        .into_iter()
        .filter(|attachment| attachment.status == AttachStatus::Attached)
        .map(|attachment| volume_attachment(call, attachment))
        .collect();
    let mut view = json!({
        "id": volume.id,
        "status": volume.status,
        "size": volume.size,
        "availability_zone": volume.availability_zone,
        "created_at": volume.created_at,
        "updated_at": volume.updated_at,
        "name": volume.name,
        "description": volume.description,
        "volume_type": state.type_name(&volume.type_id),
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volid,
        "metadata": shown_metadata(state, volume),
        "links": links(call, &volume.id),
        "user_id": volume.user_id,
        "bootable": volume.bootable.to_string(),
        "encrypted": volume.encrypted,
        "replication_status": null,
        "consistencygroup_id": null,
        "multiattach": volume.multiattach,
        "attachments": attachments,
        "migration_status": null,
        "os-vol-tenant-attr:tenant_id": volume.project_id,
    });
    let Some(fields) = view.as_object_mut() else { return view };
    if call.caller.is_admin {
        fields.insert("os-vol-host-attr:host".into(), json!(cinder.options.host));
        fields.insert("os-vol-mig-status-attr:migstat".into(), Value::Null);
        fields.insert("os-vol-mig-status-attr:name_id".into(), Value::Null);
    }
    if call.version >= Microversion::GROUPS {
        fields.insert("group_id".into(), Value::Null);
    }
    if call.version >= Microversion::SHARED_TARGETS {
        fields.insert("service_uuid".into(), Value::Null);
        fields.insert("shared_targets".into(), json!(false));
    }
    if call.version >= Microversion::TYPE_ID {
        fields.insert("volume_type_id".into(), json!(volume.type_id));
    }
    if call.version >= Microversion::CONSUMES_QUOTA {
        fields.insert("consumes_quota".into(), json!(true));
    }
    view
}

/// Cinder shows two notes of its own among the owner's keys.
fn shown_metadata(state: &State, volume: &Volume) -> Metadata {
    let mut metadata = volume.metadata.clone();
    if let Some(readonly) = volume.readonly {
        metadata.insert("readonly".into(), if readonly { "True" } else { "False" }.into());
    }
    let connected = state.attachments_of(&volume.id).into_iter().find(|a| a.is_connected());
    if let Some(mode) = connected.and_then(|a| a.connection_info.get("access_mode")).and_then(Value::as_str) {
        metadata.insert("attached_mode".into(), mode.to_owned());
    }
    metadata
}

fn volume_attachment(call: &Call, attachment: &Attachment) -> Value {
    json!({
        "id": attachment.volume_id,
        "attachment_id": attachment.id,
        "volume_id": attachment.volume_id,
        "server_id": attachment.instance_uuid,
        // Hidden from ordinary users since 2025.2.
        "host_name": attachment.host.as_ref().filter(|_| call.caller.is_admin || call.service),
        "device": attachment.mountpoint,
        "attached_at": attachment.attached_at,
    })
}

pub(super) fn attachment_summary(attachment: &Attachment) -> Value {
    json!({
        "id": attachment.id,
        "status": attachment.status,
        "instance": attachment.instance_uuid,
        "volume_id": attachment.volume_id,
    })
}

/// Neither connector nor host: nobody can tell from it whose attachment it is.
pub(super) fn attachment(attachment: &Attachment) -> Value {
    let mut view = attachment_summary(attachment);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("attached_at".into(), json!(attachment.attached_at.as_deref().unwrap_or_default()));
        fields.insert("detached_at".into(), json!(""));
        fields.insert("attach_mode".into(), json!(attachment.mode));
        fields.insert("connection_info".into(), Value::Object(attachment.connection_info.clone()));
    }
    view
}

pub(super) fn snapshot(snapshot: &Snapshot) -> Value {
    json!({
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size,
        "metadata": snapshot.metadata,
        "created_at": snapshot.created_at,
        "updated_at": snapshot.updated_at,
        "user_id": snapshot.user_id,
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
        "os-extended-snapshot-attributes:progress":
            if snapshot.status == super::model::SnapshotStatus::Available { "100%" } else { "0%" },
    })
}
