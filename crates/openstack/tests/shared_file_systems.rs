//! Manila's calls and microversions as they stand on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use openstack::Error;
use openstack::shared_file_systems::{NewAccess, NewShare, NewShareSnapshot};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

fn versions(newest: &str) -> Value {
    json!({ "versions": [
        { "id": "v1.0", "status": "DEPRECATED", "version": "", "min_version": "" },
        { "id": "v2.0", "status": "CURRENT", "version": newest, "min_version": "2.0" },
    ]})
}

fn share(id: &str, project: &str) -> Value {
    json!({ "id": id, "name": null, "description": null, "size": 1, "status": "available", "share_proto": "NFS",
        "project_id": project, "is_public": project != "p1", "metadata": { "k": "v" }, "share_network_id": null,
        "access_rules_status": "active", "snapshot_support": true, "create_share_from_snapshot_support": false })
}

fn rule() -> Value {
    json!({ "id": "a", "access_type": "cephx", "access_to": "me", "access_level": null, "state": "active",
        "access_key": CANARY, "metadata": { "k": "v" } })
}

/// A Manila whose newest microversion is `newest`, with one share of ours and a public one of others.
fn manila(newest: &'static str) -> impl Fn(&Seen, usize) -> Answer {
    move |seen, _| {
        let path = seen.target.split('?').next().unwrap().trim_start_matches("/share/v2/");
        let parts: Vec<_> = path.split('/').skip(1).collect();
        match (seen.method.as_str(), &parts[..]) {
            (_, []) => answer(200, &versions(newest)),
            (_, ["shares", "detail"]) if !seen.target.contains("offset=0") => {
                answer(200, &json!({ "shares": [] }))
            }
            (_, ["shares", "detail"]) => {
                let mut body = json!({ "shares": [share("s", "p1"), share("foreign", "p2")] });
                if seen.target.contains("with_count") {
                    body["count"] = json!(2);
                }
                answer(200, &body)
            }
            (_, ["shares", _, "export_locations"]) => answer(
                200,
                &json!({ "export_locations": [
                    { "id": "e", "path": "10.0.0.5:/shares/x", "preferred": true, "is_admin_only": false },
                    { "id": "f", "path": "[fd00::5]:/shares/x" },
                ]}),
            ),
            ("POST", ["shares", _, "action"]) if seen.body.get("allow_access").is_some() => {
                answer(200, &json!({ "access": rule() }))
            }
            ("POST", ["shares", _, "action"]) | ("DELETE", _) => text(202, ""),
            (_, ["shares", _, "metadata"]) => answer(200, &json!({ "metadata": {} })),
            (_, ["shares", ..]) => answer(200, &json!({ "share": share("s", "p1") })),
            (_, ["share-access-rules"]) => answer(200, &json!({ "access_list": [rule()] })),
            (_, ["share-access-rules", _]) => answer(200, &json!({ "access": rule() })),
            (_, ["snapshots", "detail"]) if !seen.target.contains("offset=0") => {
                answer(200, &json!({ "snapshots": [] }))
            }
            (_, ["snapshots", ..]) => {
                let snapshot = json!({ "id": "n", "share_id": "s", "name": null, "status": "creating", "share_size": 1 });
                answer(200, &json!({ "snapshot": snapshot, "snapshots": [snapshot] }))
            }
            (_, ["types"]) => answer(
                200,
                &json!({ "share_types": [{ "id": "t", "name": "default", "is_default": true,
                    "extra_specs": { "driver_handles_share_servers": "False" } }], "volume_types": [] }),
            ),
            (_, ["messages"]) => answer(
                200,
                &json!({ "messages": [
                    { "id": "1", "user_message": "new", "created_at": "2026-01-02T00:00:00.000000" },
                    { "id": "2", "user_message": "old", "created_at": "2026-01-01T00:00:00.000000" },
                ]}),
            ),
            _ => text(404, "nothing here"),
        }
    }
}

fn new_access() -> NewAccess {
    NewAccess {
        access_type: "ip".into(),
        access_to: "10.0.0.9".into(),
        access_level: "rw".into(),
        metadata: [("k".to_owned(), "v".to_owned())].into(),
    }
}

#[tokio::test]
async fn requests_are_written_as_manila_reads_them() {
    let cloud = Cloud::start(manila("2.99")).await;
    let client = cloud.shared_file_systems();
    let listed = client.list_shares(&[("it's", "ours")]).await.unwrap();
    assert_eq!(listed.iter().map(|share| share.id.as_str()).collect::<Vec<_>>(), ["s"]);
    assert_eq!((listed[0].name.as_str(), &listed[0].metadata["k"][..]), ("", "v"));
    client.get_share("s").await.unwrap();
    let new = NewShare { name: "n".into(), share_proto: "NFS".into(), size: 1, ..NewShare::default() };
    client.create_share(&new).await.unwrap();
    client.merge_share_metadata("s", &map(&[("a", "b")])).await.unwrap();
    client.delete_share_metadata_key("s", "a b").await.unwrap();
    client.extend_share("s", 5).await.unwrap();
    let exports = client.list_export_locations("s").await.unwrap();
    assert!(exports[0].preferred && !exports[1].preferred && !exports[1].is_admin_only);
    client.delete_share("s").await.unwrap();

    let rule = client.allow_access("s", &new_access()).await.unwrap();
    assert_eq!(rule.access_level, "rw");
    client.get_access_rule("a").await.unwrap();
    let rules = client.list_access_rules("s").await.unwrap();
    assert_eq!(rules[0].metadata, map(&[("k", "v")]));
    client.deny_access("s", "a").await.unwrap();

    let snapshot = NewShareSnapshot { share_id: "s".into(), name: "n".into(), description: None };
    client.create_share_snapshot(&snapshot).await.unwrap();
    client.get_share_snapshot("n").await.unwrap();
    assert_eq!(client.list_share_snapshots(Some("s")).await.unwrap().len(), 1);
    client.delete_share_snapshot("n").await.unwrap();
    assert!(client.list_share_types().await.unwrap()[0].is_default);
    assert_eq!(client.explain("s").await.unwrap().as_deref(), Some("new"));

    let calls = cloud.calls();
    let shown: Vec<_> = calls.iter().map(|c| c.line().replace("/share/v2/", "")).collect();
    let order = "sort_key=created_at&sort_dir=asc&limit=1000";
    assert_eq!(
        shown,
        [
            "GET ",
            &format!(
                "GET p1/shares/detail?metadata=%7B%27it%5C%27s%27%3A+%27ours%27%7D&{order}&offset=0&with_count=True"
            ),
            "GET p1/shares/s",
            "POST p1/shares",
            "POST p1/shares/s/metadata",
            "DELETE p1/shares/s/metadata/a%20b",
            "POST p1/shares/s/action",
            "GET p1/shares/s/export_locations",
            "DELETE p1/shares/s",
            "POST p1/shares/s/action",
            "GET p1/share-access-rules/a",
            "GET p1/share-access-rules?share_id=s",
            "POST p1/shares/s/action",
            "POST p1/snapshots",
            "GET p1/snapshots/n",
            &format!("GET p1/snapshots/detail?share_id=s&{order}&offset=0"),
            &format!("GET p1/snapshots/detail?share_id=s&{order}&offset=1"),
            "DELETE p1/snapshots/n",
            "GET p1/types",
            "GET p1/messages?resource_id=s&sort_key=created_at&sort_dir=desc&limit=1",
        ]
    );
    assert!(calls.iter().skip(1).all(|call| call.header("x-openstack-manila-api-version") == "2.47"));
    assert_eq!(
        calls[3].body,
        json!({ "share": { "name": "n", "share_proto": "NFS", "size": 1, "metadata": {} } })
    );
    assert_eq!(calls[6].body, json!({ "extend": { "new_size": 5 } }));
    assert_eq!(
        calls[9].body,
        json!({ "allow_access": { "access_type": "ip", "access_to": "10.0.0.9", "access_level": "rw",
            "metadata": { "k": "v" } } })
    );
    assert_eq!(calls[12].body, json!({ "deny_access": { "access_id": "a" } }));
    assert_eq!(calls[13].body, json!({ "snapshot": { "share_id": "s", "name": "n" } }));
}

#[tokio::test]
async fn h24_shares_that_others_made_public_are_not_asked_for() {
    let cloud = Cloud::start(manila("2.99")).await;
    let client = cloud.shared_file_systems();
    client.list_shares(&[("k", "v")]).await.unwrap();
    let new = NewShare { name: "n".into(), share_proto: "NFS".into(), size: 1, ..NewShare::default() };
    client.create_share(&new).await.unwrap();
    let calls = cloud.calls();
    let list = calls.iter().find(|c| c.line().contains("/shares/detail")).unwrap().line();
    assert!(!list.contains("is_public") && !list.contains("all_tenants"), "{list}");
    // Nor is one of ours shown to others.
    let made = calls.iter().find(|c| c.line().starts_with("POST ")).unwrap();
    assert!(made.body["share"].get("is_public").is_none(), "{}", made.body);
}

#[tokio::test]
async fn h59_the_key_of_a_rule_is_read_and_never_shown() {
    let cloud = Cloud::start(manila("2.45")).await;
    let rule = cloud.shared_file_systems().get_access_rule("a").await.unwrap();
    assert_eq!(rule.access_key.as_ref().unwrap().expose_secret(), CANARY);
    assert!(!format!("{rule:?}").contains(CANARY));
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page_however_short_the_pages_are() {
    for newest in ["2.42", "2.40"] {
        let cloud = Cloud::start(move |seen, n| {
            let query = seen.target.split_once('?').map_or("", |(_, query)| query);
            if query.is_empty() {
                return manila(newest)(seen, n);
            }
            let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)).unwrap_or("");
            let offset: usize = value("offset=").parse().unwrap();
            // The last one of the first page comes again: something before it went meanwhile.
            let ids = ["a", "b", "b", "c", "d"];
            let page: Vec<_> = ids.iter().skip(offset).take(2).map(|id| share(id, "p1")).collect();
            // As Manila's own links: to a marker that it ignores.
            let link = json!([{ "rel": "next", "href": "http://c/v2/shares/detail?marker=b" }]);
            let mut body = json!({ "shares": page, "shares_links": link });
            if query.contains("with_count") {
                body["count"] = json!(ids.len());
            }
            answer(200, &body)
        })
        .await;
        let listed = cloud.shared_file_systems().list_shares(&[]).await.unwrap();
        assert_eq!(listed.iter().map(|share| share.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        // Without a count only an empty page is the end.
        assert_eq!(cloud.calls().len(), if newest == "2.42" { 4 } else { 5 }, "{newest}");
    }
}

#[tokio::test]
async fn a_manila_that_ignores_paging_does_not_hold_us_for_ever() {
    let cloud = Cloud::start(|seen, n| {
        if seen.target.contains("detail") {
            return answer(200, &json!({ "shares": [share("s", "p1")] }));
        }
        manila("2.40")(seen, n)
    })
    .await;
    assert_eq!(cloud.shared_file_systems().list_shares(&[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_older_manila_gets_the_newest_it_knows() {
    for (newest, sent) in
        [("2.9", "2.9"), ("2.22", "2.14"), ("2.32", "2.28"), ("2.40", "2.38"), ("2.45", "2.45")]
    {
        let cloud = Cloud::start(manila(newest)).await;
        cloud.shared_file_systems().get_share("s").await.unwrap();
        let call = cloud.calls().pop().unwrap();
        assert_eq!(call.header("x-openstack-manila-api-version"), sent, "{newest}");
    }
}

#[tokio::test]
async fn a_manila_too_old_is_told_before_anything_happens() {
    let cloud = Cloud::start(manila("2.42")).await;
    let client = cloud.shared_file_systems();
    let error = client.allow_access("s", &new_access()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "shared-file-system: allow access to share s needs microversion 2.45 (Rocky or later), the service has only \
         2.42; upgrade it"
    );
    assert!(matches!(error, Error::Unsupported { .. }) && !error.effect_unknown());
    assert!(client.list_access_rules("s").await.is_err() && client.deny_access("s", "a").await.is_err());
    assert_eq!(cloud.calls().len(), 1);
    let cloud = Cloud::start(manila("2.6")).await;
    let client = cloud.shared_file_systems();
    let error = client.get_share("s").await.unwrap_err().to_string();
    assert!(error.contains("2.9 (Mitaka or later), the service has only 2.6"), "{error}");
    assert_eq!(client.explain("s").await.unwrap(), None);
    assert_eq!(cloud.calls().len(), 1);
}

#[tokio::test]
async fn the_official_name_in_the_catalog_comes_first() {
    let cloud = Cloud::start(manila("2.45")).await;
    let url = |path: &str| format!("{}/{path}", cloud.base);
    let catalog = json!([
        service("share", &[("public", "R1", url("share/v1/p1"))]),
        service("sharev2", &[("public", "R1", url("wrong/v2/p1"))]),
        service("shared-file-system", &[("public", "R1", url("share/v2/p1"))]),
    ]);
    cloud.keystone.lock().unwrap().catalog = Some(catalog);
    cloud.shared_file_systems().get_share("s").await.unwrap();
    assert_eq!(cloud.calls().pop().unwrap().target, "/share/v2/p1/shares/s");
    let only_v1 = json!([service("share", &[("public", "R1", url("share/v1/p1"))])]);
    cloud.keystone.lock().unwrap().catalog = Some(only_v1);
    let error = cloud.shared_file_systems().get_share("s").await.unwrap_err().to_string();
    assert!(error.contains("no public endpoint for shared-file-system"), "{error}");
}

#[tokio::test]
async fn what_is_absent_is_deleted_and_other_faults_are_read() {
    let cloud = Cloud::start(|seen, n| match (seen.method.as_str(), seen.target.ends_with("/shares")) {
        ("GET", _) if seen.target == "/share/v2/" => manila("2.45")(seen, n),
        ("POST", true) => answer(
            413,
            &json!({ "overLimit": { "code": 413, "message": "ShareSizeExceedsAvailableQuota: too big" } }),
        ),
        _ => {
            answer(404, &json!({ "itemNotFound": { "code": 404, "message": "Share s could not be found." } }))
        }
    })
    .await;
    let client = cloud.shared_file_systems();
    client.delete_share("s").await.unwrap();
    client.deny_access("s", "a").await.unwrap();
    client.delete_share_metadata_key("s", "k").await.unwrap();
    client.delete_share_snapshot("n").await.unwrap();
    let error = client.get_share("s").await.unwrap_err();
    assert!(error.is_not_found() && error.is_kind("itemNotFound"), "{error}");
    let error = client.create_share(&NewShare::default()).await.unwrap_err();
    assert!(error.is_over_quota() && !error.effect_unknown(), "{error}");
}

#[tokio::test]
async fn a_rule_is_not_ordered_twice() {
    let cloud = Cloud::start(
        |seen, n| {
            if seen.method == "GET" { manila("2.45")(seen, n) } else { text(500, "lost") }
        },
    )
    .await;
    let client = cloud.shared_file_systems();
    assert!(client.allow_access("s", &new_access()).await.unwrap_err().effect_unknown());
    assert!(client.create_share(&NewShare::default()).await.unwrap_err().effect_unknown());
    assert_eq!(cloud.calls().iter().filter(|call| call.method == "POST").count(), 2);
}
