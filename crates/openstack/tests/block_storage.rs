//! Cinder's calls and microversions as they stand on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use openstack::Error;
use openstack::block_storage::{NewAttachment, NewVolume};
use serde_json::{Value, json};

fn versions(newest: &str) -> Value {
    json!({ "versions": [
        { "id": "v2.0", "status": "DEPRECATED", "version": "" },
        { "id": "v3.0", "status": "CURRENT", "version": newest, "min_version": "3.0" },
    ]})
}

fn volume() -> Value {
    json!({ "id": "v", "name": null, "size": 1, "status": "available", "metadata": { "k": "v" }, "volume_type": null })
}

/// A Cinder whose newest microversion is `newest`.
fn cinder(newest: &'static str) -> impl Fn(&Seen, usize) -> Answer {
    move |seen, _| {
        let path = seen.target.trim_start_matches("/volume/v3/");
        match (seen.method.as_str(), path.split(['?', '/']).nth(1)) {
            ("GET", None) => answer(200, &versions(newest)),
            ("DELETE", Some("attachments")) => answer(200, &json!({ "attachments": [] })),
            ("DELETE", _) => text(202, ""),
            ("POST", Some("volumes")) if path.ends_with("/action") => text(202, ""),
            (_, Some("volumes")) if path.contains("/metadata") => answer(200, &json!({ "metadata": {} })),
            (_, Some("volumes")) => answer(200, &json!({ "volume": volume(), "volumes": [volume()] })),
            ("POST", _) if path.ends_with("/action") => text(204, ""),
            _ => {
                let attachment = json!({ "id": "a", "volume_id": "v", "status": "attaching", "instance": null,
                    "connection_info": { "driver_volume_type": "local", "auth_password": CANARY } });
                let listed = json!({ "id": "a", "volume_id": "v", "connection_info": null });
                answer(200, &json!({ "attachment": attachment, "attachments": [listed] }))
            }
        }
    }
}

fn new_attachment() -> NewAttachment {
    let connector = json!({ "host": "h" }).as_object().unwrap().clone();
    NewAttachment { volume_uuid: "v".into(), connector, mode: "rw" }
}

#[tokio::test]
async fn h31_every_call_has_its_line_body_and_version_and_versions_are_asked_once() {
    let cloud = Cloud::start(cinder("3.71")).await;
    let client = cloud.block_storage();
    client.list_volumes(Some("my vol"), &[("it's", "ours")]).await.unwrap();
    assert_eq!(client.get_volume("v").await.unwrap().name, "");
    client.create_volume(&NewVolume { name: "n".into(), size: 1, ..Default::default() }).await.unwrap();
    client.merge_metadata("v", &map(&[("a", "b")])).await.unwrap();
    client.delete_metadata_key("v", "a b").await.unwrap();
    client.delete_volume("v").await.unwrap();
    let attachment = client.create_attachment(&new_attachment()).await.unwrap();
    assert_eq!(attachment.connection_info["auth_password"], CANARY);
    assert!(!format!("{attachment:?}").contains(CANARY), "secrets of a connection are not for logs");
    client.complete_attachment("a").await.unwrap();
    client.get_attachment("a").await.unwrap();
    assert_eq!(client.list_attachments("v").await.unwrap().len(), 1);
    // Another client of the same session knows the versions.
    let client = openstack::block_storage::Client::new(client.session().clone());
    client.delete_attachment("a").await.unwrap();
    client.extend_volume("v", 5).await.unwrap();

    let calls = cloud.calls();
    let shown: Vec<_> = calls
        .iter()
        .map(|c| format!("{} {}", c.line().replace("/volume/v3/", ""), c.header("openstack-api-version")))
        .collect();
    assert_eq!(
        shown,
        [
            "GET p1/volumes/detail?name=my+vol&metadata=%7B%27it%5C%27s%27%3A+%27ours%27%7D ",
            "GET p1/volumes/v ",
            "POST p1/volumes ",
            "POST p1/volumes/v/metadata ",
            "DELETE p1/volumes/v/metadata/a%20b ",
            "DELETE p1/volumes/v ",
            "GET  ",
            "POST p1/attachments volume 3.54",
            "POST p1/attachments/a/action volume 3.44",
            "GET p1/attachments/a volume 3.27",
            "GET p1/attachments?volume_id=v volume 3.27",
            "DELETE p1/attachments/a volume 3.27",
            "POST p1/volumes/v/action volume 3.42",
        ]
    );
    let wanted = json!({ "attachment": { "volume_uuid": "v", "connector": { "host": "h" }, "mode": "rw" } });
    assert_eq!(calls[7].body, wanted);
    assert_eq!(calls[8].body, json!({ "os-complete": null }));
    assert_eq!(calls[12].body, json!({ "os-extend": { "new_size": 5 } }));
}

#[tokio::test]
async fn concurrent_first_attachments_ask_for_the_versions_once() {
    let cloud = Cloud::start(cinder("3.71")).await;
    let client = cloud.block_storage();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let c = client.clone();
                async move { c.create_attachment(&new_attachment()).await }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(cloud.calls().len(), 9);
}

#[tokio::test]
async fn an_older_cinder_gets_no_mode() {
    let cloud = Cloud::start(cinder("3.50")).await;
    cloud.block_storage().create_attachment(&new_attachment()).await.unwrap();
    let call = cloud.calls().pop().unwrap();
    assert_eq!(call.header("openstack-api-version"), "volume 3.44");
    assert_eq!(call.body, json!({ "attachment": { "volume_uuid": "v", "connector": { "host": "h" } } }));
}

#[tokio::test]
async fn a_cinder_too_old_is_told_before_anything_happens() {
    let cloud = Cloud::start(cinder("3.27")).await;
    let client = cloud.block_storage();
    let error = client.create_attachment(&new_attachment()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "block-storage: attach volume v needs microversion 3.44 (Queens or later), the service has only 3.27; upgrade it"
    );
    assert!(matches!(error, Error::Unsupported { .. }) && !error.effect_unknown());
    client.get_attachment("a").await.unwrap();
    client.extend_volume("v", 2).await.unwrap();
    assert!(cloud.calls().pop().unwrap().headers.get("openstack-api-version").is_none());
    assert!(cloud.calls().iter().all(|c| c.line() != "POST /volume/v3/p1/attachments"));
    let cloud = Cloud::start(cinder("")).await;
    let error = cloud.block_storage().delete_attachment("a").await.unwrap_err().to_string();
    assert!(error.contains("3.27 (Ocata or later), the service has only 3.0"), "{error}");
}

#[tokio::test]
async fn the_version_document_may_stand_at_the_bare_root() {
    let cloud = Cloud::start(|seen, n| match seen.target.as_str() {
        "/volume/v3/" => text(404, "nothing here"),
        "/volume/" => answer(300, &versions("3.60")),
        _ => cinder("3.60")(seen, n),
    })
    .await;
    cloud.block_storage().get_attachment("a").await.unwrap();
    assert_eq!(cloud.calls().len(), 3);
}

#[tokio::test]
async fn a_missing_volume_is_deleted_and_other_faults_are_read() {
    let cloud = Cloud::start(|_, n| match n {
        0 | 1 => answer(
            404,
            &json!({ "itemNotFound": { "code": 404, "message": "Volume v could not be found." } }),
        ),
        _ => answer(
            413,
            &json!({ "overLimit": { "code": 413, "message": "VolumeSizeExceedsAvailableQuota: too big" } }),
        ),
    })
    .await;
    let client = cloud.block_storage();
    client.delete_volume("v").await.unwrap();
    let error = client.get_volume("v").await.unwrap_err();
    assert!(error.is_not_found() && error.is_kind("itemNotFound"), "{error}");
    let error = client.create_volume(&NewVolume::default()).await.unwrap_err();
    assert!(error.is_over_quota() && !error.effect_unknown(), "{error}");
}

#[tokio::test]
async fn a_snapshot_of_a_volume_in_use_is_forced_where_that_is_not_implied() {
    let made = || {
        answer(
            202,
            &json!({ "snapshot": { "id": "s", "volume_id": "v", "status": "creating", "size": 2, "name": null } }),
        )
    };
    for (offered, force, header) in [("3.60", Some(true), None), ("3.71", None, Some("volume 3.66"))] {
        let cloud = Cloud::start(move |seen, n| match seen.line().as_str() {
            "POST /volume/v3/p1/snapshots" => made(),
            _ => cinder(offered)(seen, n),
        })
        .await;
        let metadata = [("k".to_owned(), "x".to_owned())].into();
        let snapshot = cloud.block_storage().create_snapshot("v", "n", &metadata).await.unwrap();
        assert_eq!((snapshot.id.as_str(), snapshot.size, snapshot.name.as_str()), ("s", 2, ""));
        let call = cloud.calls().pop().unwrap();
        assert_eq!(call.body["snapshot"]["force"].as_bool(), force, "{offered}");
        assert_eq!(call.body["snapshot"]["metadata"], json!({ "k": "x" }));
        assert_eq!(call.headers.get("openstack-api-version").map(|h| h.to_str().unwrap()), header);
    }
}

#[tokio::test]
async fn the_newest_message_explains_a_failure() {
    let cloud = Cloud::start(|seen, n| match seen.line().as_str() {
        "GET /volume/v3/p1/messages?resource_uuid=v" => answer(
            200,
            &json!({ "messages": [
            { "id": "1", "user_message": "no host", "created_at": "2026-01-02T00:00:00" },
            { "id": "2", "user_message": "older", "created_at": "2026-01-01T00:00:00" },
        ] }),
        ),
        _ => cinder("3.60")(seen, n),
    })
    .await;
    assert_eq!(cloud.block_storage().explain("v").await.unwrap().as_deref(), Some("no host"));
    assert!(cloud.calls().pop().unwrap().target.ends_with("/messages?resource_uuid=v"));
    let cloud = Cloud::start(cinder("3.0")).await;
    assert_eq!(cloud.block_storage().explain("v").await.unwrap(), None);
}

/// A Cinder of `total` volumes that gives at most 1000 a page, as a real one does by default.
fn large(total: usize) -> impl Fn(&Seen, usize) -> Answer {
    move |seen, _| {
        let marker = seen.target.split(['?', '&']).find_map(|p| p.strip_prefix("marker=v"));
        let first = marker.map_or(0, |m| m.parse::<usize>().unwrap() + 1);
        let last = (first + 1000).min(total);
        let volumes: Vec<_> = (first..last)
            .map(|n| json!({ "id": format!("v{n}"), "name": "n", "size": 1, "status": "available" }))
            .collect();
        let href = format!("http://elsewhere/v3/p1/volumes/detail?metadata=x&marker=v{}", last - 1);
        let links = if last < total { json!([{ "rel": "next", "href": href }]) } else { json!([]) };
        answer(200, &json!({ "volumes": volumes, "volumes_links": links }))
    }
}

#[tokio::test]
async fn h25_more_than_a_thousand_volumes_are_all_listed() {
    let cloud = Cloud::start(large(2345)).await;
    let found = cloud.block_storage().list_volumes(None, &[("volume_from", "fuxi")]).await.unwrap();
    assert_eq!(found.len(), 2345);
    assert_eq!((found[0].id.as_str(), found[2344].id.as_str()), ("v0", "v2344"));
    let lines: Vec<_> = cloud.calls().iter().map(Seen::line).collect();
    assert_eq!(lines.len(), 3, "three pages: {lines:?}");
    let filter = lines[0].split_once('?').unwrap().1;
    assert!(filter.contains("metadata=%7B%27volume_from%27"), "{filter}");
}

#[tokio::test]
async fn group_image_and_hints_stand_where_cinder_reads_them() {
    for (offered, group, header) in [("3.71", None, ""), ("3.71", Some("g"), "volume 3.13")] {
        let cloud = Cloud::start(cinder(offered)).await;
        let new = NewVolume {
            name: "n".into(),
            size: 1,
            image: Some("i".into()),
            group_id: group.map(str::to_owned),
            hints: [("different_host".to_owned(), json!(["a", "b"]))].into(),
            ..Default::default()
        };
        cloud.block_storage().create_volume(&new).await.unwrap();
        let call = cloud.calls().pop().unwrap();
        assert_eq!(call.body["volume"]["imageRef"], "i");
        assert_eq!(call.body["volume"].get("group_id").and_then(Value::as_str), group);
        assert_eq!(call.body["OS-SCH-HNT:scheduler_hints"], json!({ "different_host": ["a", "b"] }));
        assert!(call.body["volume"].get("hints").is_none());
        assert_eq!(call.header("openstack-api-version"), header);
    }
    let cloud = Cloud::start(cinder("3.12")).await;
    let new = NewVolume { group_id: Some("g".into()), ..Default::default() };
    let error = cloud.block_storage().create_volume(&new).await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}

#[tokio::test]
async fn types_tell_whether_they_allow_several_attachments() {
    let cloud = Cloud::start(|_, _| {
        answer(
            200,
            &json!({ "volume_types": [
                { "id": "1", "name": "plain", "extra_specs": {} },
                { "id": "2", "name": "bare", "extra_specs": null },
                { "id": "3", "name": "multi", "extra_specs": { "multiattach": "<is> True" } },
                { "id": "4", "name": "not", "extra_specs": { "multiattach": "<is> False" } },
            ]}),
        )
    })
    .await;
    let types = cloud.block_storage().list_volume_types().await.unwrap();
    let several: Vec<_> = types.iter().filter(|t| t.is_multiattach()).map(|t| t.name.as_str()).collect();
    assert_eq!((types.len(), several), (4, vec!["multi"]));
}
