//! Quotas: what is counted, `/limits` and `/quota-sets`.

use std::sync::Arc;

use axum::extract::State as Shared;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Manila;
use super::call::{Answer, Body, Call, answer, empty};
use super::fault::Fault;
use super::microversion::Microversion;
use super::model::State;
use super::options::Quota;

/// What a project uses.
struct Usage {
    shares: u64,
    gigabytes: u64,
    snapshots: u64,
    snapshot_gigabytes: u64,
    share_networks: u64,
}

fn usage(state: &State, project: &str) -> Usage {
    let shares: Vec<_> = state.shares.values().filter(|s| s.project_id == project).collect();
    let snapshots: Vec<_> = state.share_snapshots.values().filter(|s| s.project_id == project).collect();
    let networks = state.share_networks.values().filter(|n| n.project_id == project).count();
    Usage {
        shares: count(shares.len()),
        gigabytes: shares.iter().map(|share| share.size).sum(),
        snapshots: count(snapshots.len()),
        snapshot_gigabytes: snapshots.iter().map(|snapshot| snapshot.size).sum(),
        share_networks: count(networks),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn quota(manila: &Manila, state: &State, project: &str) -> Quota {
    state.share_quotas.get(project).copied().unwrap_or(manila.options.quota)
}

/// A negative limit is none.
fn exceeds(wanted: u64, limit: i64) -> bool {
    u64::try_from(limit).is_ok_and(|limit| wanted > limit)
}

fn check_one(quota: Quota, size: u64) -> Result<(), Fault> {
    if exceeds(size, quota.per_share_gigabytes) {
        let limit = quota.per_share_gigabytes;
        return Err(Fault::over_limit(format!(
            "ShareSizeExceedsLimit: A share of {size}G is larger than the quota allows one to be: {limit}G."
        )));
    }
    Ok(())
}

fn too_large(kind: &str) -> Fault {
    let class =
        if kind == "share" { "ShareSizeExceedsAvailableQuota" } else { "SnapshotSizeExceedsAvailableQuota" };
    Fault::over_limit(format!("{class}: The {kind} would exceed the project's gigabytes quota."))
}

/// 413 if a share of `size` GiB would be too much.
pub(super) fn check_share(manila: &Manila, state: &State, project: &str, size: u64) -> Result<(), Fault> {
    let (quota, used) = (quota(manila, state, project), usage(state, project));
    check_one(quota, size)?;
    if exceeds(used.gigabytes.saturating_add(size), quota.gigabytes) {
        return Err(too_large("share"));
    }
    if exceeds(used.shares + 1, quota.shares) {
        return Err(Fault::over_limit(format!(
            "ShareLimitExceeded: The project may have {} shares and has them.",
            quota.shares
        )));
    }
    Ok(())
}

/// 403, unlike a creation's 413, if a share may not grow from `from` to `to` GiB.
pub(super) fn check_extend(
    manila: &Manila,
    state: &State,
    project: &str,
    from: u64,
    to: u64,
) -> Result<(), Fault> {
    let quota = quota(manila, state, project);
    check_one(quota, to)?;
    let more = to.saturating_sub(from);
    if exceeds(usage(state, project).gigabytes.saturating_add(more), quota.gigabytes) {
        return Err(Fault::forbidden(too_large("share").message));
    }
    Ok(())
}

/// 413 if a snapshot of `size` GiB would be too much.
pub(super) fn check_snapshot(manila: &Manila, state: &State, project: &str, size: u64) -> Result<(), Fault> {
    let (quota, used) = (quota(manila, state, project), usage(state, project));
    if exceeds(used.snapshot_gigabytes.saturating_add(size), quota.snapshot_gigabytes) {
        return Err(too_large("snapshot"));
    }
    if exceeds(used.snapshots + 1, quota.snapshots) {
        return Err(Fault::over_limit(format!(
            "SnapshotLimitExceeded: The project may have {} snapshots and has them.",
            quota.snapshots
        )));
    }
    Ok(())
}

/// 413 if one more share network would be too much.
pub(super) fn check_network(manila: &Manila, state: &State, project: &str) -> Result<(), Fault> {
    let limit = quota(manila, state, project).share_networks;
    if exceeds(usage(state, project).share_networks + 1, limit) {
        return Err(Fault::over_limit(format!(
            "ShareNetworksLimitExceeded: The project may have {limit} share networks and has them."
        )));
    }
    Ok(())
}

pub(super) async fn limits(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let project = &call.caller.project_id;
    let (quota, used) = manila.read(|state| (quota(&manila, state, project), usage(state, project)));
    answer(
        StatusCode::OK,
        json!({"limits": {"rate": [], "absolute": {
            "maxTotalShares": quota.shares,
            "maxTotalShareGigabytes": quota.gigabytes,
            "maxTotalShareSnapshots": quota.snapshots,
            "maxTotalSnapshotGigabytes": quota.snapshot_gigabytes,
            "maxTotalShareNetworks": quota.share_networks,
            "totalSharesUsed": used.shares,
            "totalShareGigabytesUsed": used.gigabytes,
            "totalShareSnapshotsUsed": used.snapshots,
            "totalSnapshotGigabytesUsed": used.snapshot_gigabytes,
            "totalShareNetworksUsed": used.share_networks,
        }}}),
    )
}

fn may_see(call: &Call) -> Result<&str, Fault> {
    let target = call.param("target");
    if call.caller.is_admin || target == call.caller.project_id {
        Ok(target)
    } else {
        Err(Fault::forbidden("Policy doesn't allow quota_set:show to be performed."))
    }
}

pub(super) async fn show(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let target = may_see(&call)?;
    let quota = manila.read(|state| quota(&manila, state, target));
    answer(StatusCode::OK, json!({"quota_set": view(&call, quota, Some(target))}))
}

pub(super) async fn defaults(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    let target = may_see(&call)?;
    answer(StatusCode::OK, json!({"quota_set": view(&call, manila.options.quota, Some(target))}))
}

pub(super) async fn update(Shared(manila): Shared<Arc<Manila>>, call: Call, body: Body) -> Answer {
    call.needs_admin("quota_set:update")?;
    let target = call.param("target");
    let set = body.inner("quota_set")?;
    let quota = manila.write(|state| {
        let mut quota = quota(&manila, state, target);
        for (key, value) in set {
            let limit = match value {
                Value::String(text) => text.parse().ok(),
                other => other.as_i64(),
            };
            let limit = limit.filter(|limit| (-1..=i64::from(i32::MAX)).contains(limit));
            let limit = limit
                .ok_or_else(|| Fault::bad(format!("Quota limit {key} must be an integer of at least -1.")))?;
            match key.as_str() {
                "shares" => quota.shares = limit,
                "gigabytes" => quota.gigabytes = limit,
                "snapshots" => quota.snapshots = limit,
                "snapshot_gigabytes" => quota.snapshot_gigabytes = limit,
                "share_networks" => quota.share_networks = limit,
                "per_share_gigabytes" if call.version >= Microversion::PER_SHARE_QUOTA => {
                    quota.per_share_gigabytes = limit;
                }
                _ => return Err(Fault::bad(format!("Bad key(s) in quota set: {key}"))),
            }
        }
        state.share_quotas.insert(target.to_owned(), quota);
        Ok(quota)
    })?;
    answer(StatusCode::OK, json!({"quota_set": view(&call, quota, None)}))
}

/// Back to the defaults.
pub(super) async fn reset(Shared(manila): Shared<Arc<Manila>>, call: Call) -> Answer {
    call.needs_admin("quota_set:delete")?;
    manila.write(|state| state.share_quotas.remove(call.param("target")));
    empty(StatusCode::ACCEPTED)
}

fn view(call: &Call, quota: Quota, target: Option<&str>) -> Value {
    let mut set = match serde_json::to_value(quota) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    if call.version < Microversion::PER_SHARE_QUOTA {
        set.remove("per_share_gigabytes");
    }
    if let Some(target) = target {
        set.insert("id".into(), json!(target));
    }
    Value::Object(set)
}
