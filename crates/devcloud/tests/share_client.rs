//! The share service as our own client meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use devcloud::{DevCloud, Options, Running};
use openstack::shared_file_systems::{Client, NewAccess, NewShare, NewShareSnapshot, Share};
use openstack::{AuthSettings, Error, Session};
use serde_json::{Value, json};

fn session(cloud: &Running, user: &str) -> Session {
    let options: BTreeMap<String, String> = [
        ("auth_type", "password"),
        ("auth_url", cloud.auth_url.as_str()),
        ("username", user),
        ("password", user),
        ("user_domain_name", "Default"),
        ("project_name", user),
        ("project_domain_name", "Default"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    Session::new(AuthSettings::from_keystoneauth_map("the test", &options).unwrap()).unwrap()
}

async fn cloud() -> (Running, Client) {
    let cloud = DevCloud::start(Options::new("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let client = Client::new(session(&cloud, "demo"));
    (cloud, client)
}

async fn faults(cloud: &Running, faults: Value) {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let body = json!({ "share_faults": faults });
    let answer = http.post(format!("http://{}/admin/options", cloud.addr)).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

fn new_share(name: &str) -> NewShare {
    NewShare {
        name: name.into(),
        share_proto: "CEPHFS".into(),
        size: 1,
        share_type: Some("snapshots".into()),
        metadata: [("by".to_owned(), "us".to_owned())].into(),
        ..NewShare::default()
    }
}

async fn settled(client: &Client, id: &str) -> Share {
    for _ in 0..1000 {
        let share = client.get_share(id).await.unwrap();
        if !share.status.ends_with("ing") && !share.status.starts_with("creating") {
            return share;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("share {id} does not settle");
}

#[tokio::test]
async fn a_share_lives_through_every_call_of_the_client() {
    let (cloud, client) = cloud().await;
    let made = client.create_share(&new_share("s")).await.unwrap();
    assert_eq!(made.status, "creating");
    let share = settled(&client, &made.id).await;
    assert_eq!((share.status.as_str(), share.share_type_name.as_deref()), ("available", Some("snapshots")));
    assert!(share.snapshot_support && share.create_share_from_snapshot_support);
    client.merge_share_metadata(&share.id, &[("a".to_owned(), "b".to_owned())].into()).await.unwrap();
    client.delete_share_metadata_key(&share.id, "by").await.unwrap();
    client.delete_share_metadata_key(&share.id, "by").await.unwrap();
    assert!(client.list_shares(&[("by", "us")]).await.unwrap().is_empty());
    assert_eq!(client.list_shares(&[("a", "b")]).await.unwrap()[0].id, share.id);
    assert!(client.list_export_locations(&share.id).await.unwrap()[0].preferred);
    client.extend_share(&share.id, 2).await.unwrap();
    assert_eq!(settled(&client, &share.id).await.size, 2);

    let access = NewAccess {
        access_type: "cephx".into(),
        access_to: "me".into(),
        access_level: "rw".into(),
        metadata: [("host".to_owned(), "h".to_owned())].into(),
    };
    let rule = client.allow_access(&share.id, &access).await.unwrap();
    assert_eq!((rule.state.as_str(), rule.access_key.is_none()), ("queued_to_apply", true));
    let rule = loop {
        let rule = client.get_access_rule(&rule.id).await.unwrap();
        if rule.state == "active" {
            break rule;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(rule.access_key.is_some());
    assert_eq!(client.list_access_rules(&share.id).await.unwrap()[0].metadata, access.metadata);
    assert_eq!(client.allow_access(&share.id, &access).await.unwrap_err().status(), Some(400));
    client.deny_access(&share.id, &rule.id).await.unwrap();
    client.deny_access(&share.id, &rule.id).await.unwrap();
    while !client.list_access_rules(&share.id).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.deny_access(&share.id, &rule.id).await.unwrap();
    assert!(client.get_access_rule(&rule.id).await.unwrap_err().is_not_found());

    let new = NewShareSnapshot { share_id: share.id.clone(), name: "n".into(), description: None };
    let snapshot = client.create_share_snapshot(&new).await.unwrap();
    while client.get_share_snapshot(&snapshot.id).await.unwrap().status != "available" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(client.list_share_snapshots(Some(&share.id)).await.unwrap()[0].id, snapshot.id);
    assert_eq!(client.delete_share(&share.id).await.unwrap_err().status(), Some(403));
    client.delete_share_snapshot(&snapshot.id).await.unwrap();
    while client.get_share_snapshot(&snapshot.id).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.delete_share(&share.id).await.unwrap();
    while client.get_share(&share.id).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.delete_share(&share.id).await.unwrap();
    assert_eq!(client.list_access_rules(&share.id).await.unwrap_err().status(), Some(400));
    assert_eq!(client.list_share_types().await.unwrap().iter().filter(|kind| kind.is_default).count(), 1);
    cloud.stop().await.unwrap();
}

#[tokio::test]
async fn failures_are_explained_and_quotas_told_apart() {
    let (cloud, client) = cloud().await;
    faults(&cloud, json!({ "next_create_fails": 1 })).await;
    let share = client.create_share(&new_share("s")).await.unwrap();
    assert_eq!(client.explain(&share.id).await.unwrap(), None);
    assert_eq!(settled(&client, &share.id).await.status, "error");
    let text = client.explain(&share.id).await.unwrap().unwrap();
    assert!(text.starts_with("allocate host: No storage"), "{text}");
    let large = NewShare { size: 5000, ..new_share("large") };
    assert!(client.create_share(&large).await.unwrap_err().is_over_quota());
    cloud.stop().await.unwrap();
}

#[tokio::test]
async fn public_shares_of_others_stay_out_of_lists() {
    let (cloud, client) = cloud().await;
    let admin = Client::new(session(&cloud, "admin"));
    let share = admin.create_share(&new_share("theirs")).await.unwrap();
    settled(&admin, &share.id).await;
    assert!(client.list_shares(&[("by", "us")]).await.unwrap().is_empty());
    assert!(client.get_share(&share.id).await.unwrap_err().is_not_found());
    cloud.stop().await.unwrap();
}

#[tokio::test]
async fn an_older_manila_is_spoken_to_as_far_as_it_goes() {
    let (cloud, client) = cloud().await;
    faults(&cloud, json!({ "newest_microversion": 40 })).await;
    let share = client.create_share(&new_share("s")).await.unwrap();
    settled(&client, &share.id).await;
    assert_eq!(client.list_shares(&[]).await.unwrap().len(), 1);
    let error = client.list_access_rules(&share.id).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    cloud.stop().await.unwrap();
}
