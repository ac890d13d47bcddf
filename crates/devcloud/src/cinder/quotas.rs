//! Quotas: what is counted, `/limits` and `/os-quota-sets`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Cinder;
use super::call::{Answer, Body, Call, answer, empty};
use super::fault::Fault;
use super::model::State;
use super::options::Quota;

/// What a project uses.
struct Usage {
    volumes: u64,
    snapshots: u64,
    /// Of both.
    gigabytes: u64,
}

fn usage(state: &State, project: &str) -> Usage {
    let volumes: Vec<_> = state.volumes.values().filter(|v| v.project_id == project).collect();
    let snapshots: Vec<_> = state.snapshots.values().filter(|s| s.project_id == project).collect();
    let gigabytes =
        volumes.iter().map(|v| v.size).sum::<u64>() + snapshots.iter().map(|s| s.size).sum::<u64>();
    Usage { volumes: count(volumes.len()), snapshots: count(snapshots.len()), gigabytes }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn quota(cinder: &Cinder, state: &State, project: &str) -> Quota {
    state.quotas.get(project).copied().unwrap_or(cinder.options.quota)
}

/// A negative limit is none.
fn exceeds(wanted: u64, limit: i64) -> bool {
    u64::try_from(limit).is_ok_and(|limit| wanted > limit)
}

fn check_gigabytes(quota: Quota, used: u64, more: u64) -> Result<(), Fault> {
    if exceeds(used.saturating_add(more), quota.gigabytes) {
        return Err(Fault::over_limit(format!(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested \
             {more}G, quota is {}G and {used}G has been consumed.",
            quota.gigabytes
        )));
    }
    Ok(())
}

fn check_one(quota: Quota, size: u64) -> Result<(), Fault> {
    if exceeds(size, quota.per_volume_gigabytes) {
        let limit = quota.per_volume_gigabytes;
        return Err(Fault::over_limit(format!(
            "VolumeSizeExceedsLimit: Requested volume size {size}G is larger than maximum allowed limit {limit}G."
        )));
    }
    Ok(())
}

/// 413 if a volume of `size` GiB would be too much.
pub(super) fn check_volume(cinder: &Cinder, state: &State, project: &str, size: u64) -> Result<(), Fault> {
    let (quota, used) = (quota(cinder, state, project), usage(state, project));
    check_one(quota, size)?;
    check_gigabytes(quota, used.gigabytes, size)?;
    if exceeds(used.volumes + 1, quota.volumes) {
        return Err(Fault::over_limit(format!(
            "VolumeLimitExceeded: Maximum number of volumes allowed ({}) exceeded for quota 'volumes'.",
            quota.volumes
        )));
    }
    Ok(())
}

/// 413 if a volume may not grow from `from` to `to` GiB.
pub(super) fn check_extend(
    cinder: &Cinder,
    state: &State,
    project: &str,
    from: u64,
    to: u64,
) -> Result<(), Fault> {
    let quota = quota(cinder, state, project);
    check_one(quota, to)?;
    check_gigabytes(quota, usage(state, project).gigabytes, to.saturating_sub(from))
}

/// 413 if a snapshot of `size` GiB would be too much.
pub(super) fn check_snapshot(cinder: &Cinder, state: &State, project: &str, size: u64) -> Result<(), Fault> {
    let (quota, used) = (quota(cinder, state, project), usage(state, project));
    check_gigabytes(quota, used.gigabytes, size)?;
    if exceeds(used.snapshots + 1, quota.snapshots) {
        return Err(Fault::over_limit(format!(
            "SnapshotLimitExceeded: Maximum number of snapshots allowed ({}) exceeded",
            quota.snapshots
        )));
    }
    Ok(())
}

pub(super) async fn limits(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let project = &call.caller.project_id;
    let (quota, used) = cinder.read(|state| (quota(&cinder, state, project), usage(state, project)));
    answer(
        StatusCode::OK,
        json!({"limits": {"rate": [], "absolute": {
            "maxTotalVolumes": quota.volumes,
            "maxTotalSnapshots": quota.snapshots,
            "maxTotalVolumeGigabytes": quota.gigabytes,
            "maxTotalBackups": 0,
            "maxTotalBackupGigabytes": 0,
            "totalVolumesUsed": used.volumes,
            "totalSnapshotsUsed": used.snapshots,
            "totalGigabytesUsed": used.gigabytes,
            "totalBackupsUsed": 0,
            "totalBackupGigabytesUsed": 0,
        }}}),
    )
}

fn may_see(call: &Call) -> Result<&str, Fault> {
    let target = call.param("target");
    if call.caller.is_admin || target == call.caller.project_id {
        Ok(target)
    } else {
        Err(Fault::policy("volume_extension:quotas:show"))
    }
}

pub(super) async fn show(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let target = may_see(&call)?;
    let with_usage = call.flag("usage")?;
    let (quota, used) = cinder.read(|state| (quota(&cinder, state, target), usage(state, target)));
    let mut set = view(quota);
    if with_usage {
        for (name, in_use) in [
            ("volumes", used.volumes),
            ("snapshots", used.snapshots),
            ("gigabytes", used.gigabytes),
            ("per_volume_gigabytes", 0),
        ] {
            let limit = set.get(name).cloned().unwrap_or_default();
            set.insert(name.into(), json!({"limit": limit, "in_use": in_use, "reserved": 0}));
        }
    }
    set.insert("id".into(), json!(target));
    answer(StatusCode::OK, json!({"quota_set": set}))
}

pub(super) async fn defaults(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    let target = may_see(&call)?;
    let mut set = view(cinder.options.quota);
    set.insert("id".into(), json!(target));
    answer(StatusCode::OK, json!({"quota_set": set}))
}

pub(super) async fn update(Shared(cinder): Shared<Arc<Cinder>>, call: Call, body: Body) -> Answer {
    call.needs_admin("volume_extension:quotas:update")?;
    let target = call.param("target");
    let set = body.inner("quota_set")?;
    let quota = cinder.write(|state| {
        let mut quota = quota(&cinder, state, target);
        for (key, value) in set {
            let limit = match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_i64(),
            };
            let limit = limit.filter(|limit| (-1..=i64::from(i32::MAX)).contains(limit));
            let limit =
                limit.ok_or_else(|| Fault::field(key, value, "It must be an integer of at least -1"))?;
            match key.as_str() {
                "volumes" => quota.volumes = limit,
                "snapshots" => quota.snapshots = limit,
                "gigabytes" => quota.gigabytes = limit,
                "per_volume_gigabytes" => quota.per_volume_gigabytes = limit,
                _ => return Err(Fault::bad(format!("Bad key(s) in quota set: {key}"))),
            }
        }
        state.quotas.insert(target.to_owned(), quota);
        Ok(quota)
    })?;
    answer(StatusCode::OK, json!({"quota_set": view(quota)}))
}

/// Back to the defaults.
pub(super) async fn reset(Shared(cinder): Shared<Arc<Cinder>>, call: Call) -> Answer {
    call.needs_admin("volume_extension:quotas:delete")?;
    cinder.write(|state| state.quotas.remove(call.param("target")));
    empty(StatusCode::OK)
}

fn view(quota: Quota) -> Map<String, Value> {
    match serde_json::to_value(quota) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
