//! The seam to whoever really exports shares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use devcloud::datapath::{DataPathError, PermitView, Result, ShareExport, ShareView};
use serde_json::json;

use crate::client::{id, options};
use crate::manila::Shares;

/// Remembers what it was told, and fails on shares of 13 GiB.
#[derive(Debug, Default)]
struct Paper {
    calls: Mutex<Vec<String>>,
    users: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Paper {
    fn note(&self, call: String) -> Result<()> {
        self.calls.lock().unwrap().push(call);
        Ok(())
    }

    fn users(&self, share: &str) -> Vec<String> {
        self.users.lock().unwrap().get(share).cloned().unwrap_or_default()
    }
}

#[async_trait]
impl ShareExport for Paper {
    fn serves(&self, protocol: &str) -> bool {
        protocol == "NFS"
    }

    async fn create(&self, share: &ShareView, snapshot: Option<&str>) -> Result<Vec<String>> {
        self.note(format!("create {} {}", share.size, snapshot.is_some()))?;
        if share.size == 13 {
            return Err(DataPathError("no".into()));
        }
        Ok(vec![format!("here:/{}", share.id), "there:/x".into()])
    }

    async fn delete(&self, share: &ShareView) -> Result<()> {
        self.note(format!("delete {}", share.size))
    }

    async fn extend(&self, share: &ShareView) -> Result<()> {
        self.note(format!("extend {}", share.size))
    }

    async fn permit(&self, share: &ShareView, permits: &[PermitView]) -> Result<()> {
        let users =
            permits.iter().map(|p| format!("{}{}", p.access_to, if p.read_only { " ro" } else { "" }));
        self.users.lock().unwrap().insert(share.id.clone(), users.collect());
        Ok(())
    }

    async fn snapshot(&self, _share: &ShareView, _snapshot: &str) -> Result<()> {
        self.note("snapshot".into())
    }

    async fn delete_snapshot(&self, _share: &ShareView, _snapshot: &str) -> Result<()> {
        self.note("delete snapshot".into())
    }
}

#[tokio::test]
async fn a_share_that_is_really_exported_follows_the_model() {
    let paper = Arc::new(Paper::default());
    let mut chosen = options();
    chosen.share_export = Some(paper.clone());
    let shares = Shares::with(chosen).await;
    shares.faults(json!({})).await;
    let share = shares.share(json!({"share_type": "snapshots"})).await;
    let path = format!("/shares/{share}");
    let exports = shares.get(&format!("{path}/export_locations")).await.body["export_locations"].clone();
    assert_eq!(
        (&exports[0]["path"], &exports[0]["preferred"]),
        (&json!(format!("here:/{share}")), &json!(true))
    );
    assert_eq!((&exports[1]["path"], &exports[1]["preferred"]), (&json!("there:/x"), &json!(false)));

    // Who is let in is let in before the rule says so, and out before it is gone.
    let first = shares.allowed(&share, "ip", "10.0.0.1").await;
    assert_eq!(paper.users(&share), ["10.0.0.1"]);
    let reader = json!({"access_type": "ip", "access_to": "10.0.0.2", "access_level": "ro"});
    let reader = id(&shares.action(&share, json!({"allow_access": reader})).await.ok(200)["access"]);
    shares.wait_rule(&reader, "active").await;
    assert_eq!(paper.users(&share), ["10.0.0.1", "10.0.0.2 ro"]);
    let wrong = id(&shares.allow(&share, "user", "somebody").await.ok(200)["access"]);
    shares.wait_rule(&wrong, "error").await;
    shares.action(&share, json!({"deny_access": {"access_id": first}})).await;
    shares.wait_rule(&first, "gone").await;
    assert_eq!(paper.users(&share), ["10.0.0.2 ro"]);

    shares.action(&share, json!({"extend": {"new_size": 2}})).await;
    shares.wait(&path, "share", "status", "available").await;
    let body = json!({"snapshot": {"share_id": share}});
    let snapshot = id(&shares.post("/snapshots", body).await.ok(202)["snapshot"]);
    let at = format!("/snapshots/{snapshot}");
    shares.wait(&at, "snapshot", "status", "available").await;
    shares.share(json!({"snapshot_id": snapshot, "size": 2})).await;
    shares.delete(&at).await;
    shares.wait(&at, "snapshot", "status", "gone").await;
    shares.delete(&path).await;
    shares.wait(&path, "share", "status", "gone").await;
    let calls = paper.calls.lock().unwrap().clone();
    assert_eq!(
        calls,
        ["create 1 false", "extend 2", "snapshot", "create 2 true", "delete snapshot", "delete 2"]
    );
}

#[tokio::test]
async fn what_the_machine_cannot_do_ends_in_error() {
    let paper = Arc::new(Paper::default());
    let mut chosen = options();
    chosen.share_export = Some(paper.clone());
    let shares = Shares::with(chosen).await;
    shares.faults(json!({})).await;
    let share = id(&shares.order(json!({"size": 13})).await);
    shares.wait(&format!("/shares/{share}"), "share", "status", "error").await;
    // A protocol it does not serve is modelled only.
    shares.share(json!({"size": 13, "share_proto": "CIFS"})).await;
    assert_eq!(*paper.calls.lock().unwrap(), ["create 13 false"]);
    let real = shares.share(json!({})).await;
    let body = Some(json!({"host": "127.0.0.9"}));
    assert_eq!(shares.cloud.admin("POST", &format!("shares/{real}/move"), body).await.status, 409);
}
