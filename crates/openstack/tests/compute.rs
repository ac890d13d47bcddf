//! Nova's calls and microversions as they stand on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};

fn versions(newest: &str) -> Value {
    json!({ "version":
        { "id": "v2.1", "status": "CURRENT", "version": newest, "min_version": if newest.is_empty() { "" } else { "2.1" } } })
}

/// A Nova whose newest microversion is `newest`.
fn nova(newest: &'static str) -> impl Fn(&Seen, usize) -> Answer {
    move |seen, _| {
        let path = seen.target.trim_start_matches("/compute/v2.1/");
        let attachment = match seen.header("openstack-api-version") {
            "compute 2.89" => json!({ "serverId": "s", "volumeId": "v", "device": "/dev/vdb", "tag": null,
                "attachment_id": "a", "bdm_uuid": "b", "delete_on_termination": false }),
            _ => json!({ "id": "v", "serverId": "s", "volumeId": "v", "device": null }),
        };
        match (seen.method.as_str(), path.matches('/').count()) {
            ("GET", 0) => answer(200, &versions(newest)),
            ("GET", 1) => answer(
                200,
                &json!({ "server": { "id": "s", "name": "n", "status": "ACTIVE",
                "OS-EXT-SRV-ATTR:host": "h" } }),
            ),
            ("GET", 2) => answer(200, &json!({ "volumeAttachments": [attachment] })),
            ("DELETE", _) => text(202, ""),
            _ => answer(200, &json!({ "volumeAttachment": attachment })),
        }
    }
}

fn shown(cloud: &Cloud) -> Vec<String> {
    let line = |c: &Seen| {
        format!("{} {}", c.line().replace("/compute/v2.1/", ""), c.header("openstack-api-version"))
    };
    cloud.calls().iter().map(line).collect()
}

#[tokio::test]
async fn every_call_has_its_line_body_and_version_and_versions_are_asked_once() {
    let cloud = Cloud::start(nova("2.96")).await;
    let client = cloud.compute();
    let server = client.get_server("s").await.unwrap();
    assert_eq!((server.status.as_str(), server.host.as_deref()), ("ACTIVE", Some("h")));
    client.attach_volume("s", "v").await.unwrap();
    let listed = client.list_volume_attachments("s").await.unwrap();
    assert_eq!((listed.len(), listed[0].attachment_id.as_deref()), (1, Some("a")));
    let one = client.get_volume_attachment("s", "v").await.unwrap();
    assert_eq!((one.volume_id.as_str(), one.device.as_deref()), ("v", Some("/dev/vdb")));
    client.detach_volume("s", "v").await.unwrap();
    assert_eq!(
        shown(&cloud),
        [
            "GET servers/s ",
            "GET  ",
            "POST servers/s/os-volume_attachments compute 2.60",
            "GET servers/s/os-volume_attachments compute 2.89",
            "GET servers/s/os-volume_attachments/v compute 2.89",
            "DELETE servers/s/os-volume_attachments/v ",
        ]
    );
    assert_eq!(cloud.calls()[2].body, json!({ "volumeAttachment": { "volumeId": "v" } }));
}

#[tokio::test]
async fn an_older_nova_is_asked_without_a_version() {
    for newest in ["2.50", ""] {
        let cloud = Cloud::start(nova(newest)).await;
        let client = cloud.compute();
        client.attach_volume("s", "v").await.unwrap();
        assert_eq!(client.list_volume_attachments("s").await.unwrap()[0].attachment_id, None);
        assert_eq!(
            shown(&cloud),
            ["GET  ", "POST servers/s/os-volume_attachments ", "GET servers/s/os-volume_attachments "]
        );
    }
}

#[tokio::test]
async fn the_version_document_may_be_one_of_several_at_the_bare_root() {
    let cloud = Cloud::start(|seen, n| match seen.target.as_str() {
        "/compute/v2.1/" => text(404, "nothing here"),
        "/compute/" => answer(
            200,
            &json!({ "versions": [
                { "id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "" },
                { "id": "v2.1", "status": "CURRENT", "version": "2.90", "min_version": "2.1" },
            ]}),
        ),
        _ => nova("2.90")(seen, n),
    })
    .await;
    cloud.compute().list_volume_attachments("s").await.unwrap();
    assert_eq!(cloud.calls().pop().unwrap().header("openstack-api-version"), "compute 2.89");
}

#[tokio::test]
async fn an_attach_is_sent_once_and_its_refusals_are_told_apart() {
    let refusal =
        |status: u16, kind: &str| answer(status, &json!({ kind: { "code": status, "message": "no" } }));
    let cloud = Cloud::start(move |seen, n| match (seen.method.as_str(), n) {
        ("GET", _) => answer(200, &versions("2.96")),
        (_, 1) => text(504, "gateway timeout"),
        (_, 2) => refusal(403, "forbidden"),
        (_, 3) => refusal(409, "conflictingRequest"),
        _ => refusal(404, "itemNotFound"),
    })
    .await;
    let client = cloud.compute();
    let error = client.attach_volume("s", "v").await.unwrap_err();
    assert!(error.effect_unknown(), "{error}");
    assert_eq!(cloud.calls().len(), 2, "nobody may attach twice because an answer was lost");
    let error = client.attach_volume("s", "v").await.unwrap_err();
    assert!(error.status() == Some(403) && !error.effect_unknown(), "{error}");
    assert!(error.to_string().starts_with("compute: attach volume v to server s: no (HTTP 403"), "{error}");
    assert!(client.attach_volume("s", "v").await.unwrap_err().is_conflict());
    // What is not there is for the caller to judge: the server may be the one that Nova does not know.
    assert!(client.detach_volume("s", "v").await.unwrap_err().is_not_found());
    assert!(client.attach_volume("", "v").await.unwrap_err().to_string().contains("`` is not an id"));
}
