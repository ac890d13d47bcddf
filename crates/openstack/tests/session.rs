//! Tokens and endpoints on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::*;
use openstack::network::{Client, NewPort};
use openstack::{AuthSettings, Error, Session};
use serde_json::json;

/// Turns away the tokens up to `tok-<last>`.
fn revoked_up_to(last: usize) -> impl Fn(&Seen, usize) -> Answer {
    move |seen, _| {
        let number: usize = seen.header("x-auth-token").trim_start_matches("tok-").parse().unwrap();
        if number <= last { text(401, "Authentication required") } else { ports(&[]) }
    }
}

#[tokio::test]
async fn a_session_makes_no_call_until_it_is_used() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    let network = cloud.network();
    assert!(cloud.log().is_empty());
    network.list_ports(&[("device_id", "a b")]).await.unwrap();
    network.list_ports(&[]).await.unwrap();
    assert_eq!(
        cloud.lines(),
        ["POST /identity/v3/auth/tokens", "GET /net/v2.0/ports?device_id=a+b", "GET /net/v2.0/ports"]
    );
    let call = &cloud.calls()[0];
    assert_eq!(call.header("x-auth-token"), "tok-1");
    assert_eq!(call.header("user-agent"), format!("kuryr/{}", env!("CARGO_PKG_VERSION")));
    let id = call.header("x-openstack-request-id").strip_prefix("req-").unwrap();
    assert_eq!(id.len(), 36, "{id}");
}

#[tokio::test]
async fn concurrent_first_calls_authenticate_once() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    let network = cloud.network();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let n = network.clone();
                async move { n.list_ports(&[]).await }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!((cloud.tokens_asked(), cloud.calls().len()), (1, 20));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    cloud.keystone.lock().unwrap().lifetime = 2;
    let network = cloud.network();
    network.list_ports(&[]).await.unwrap();
    network.list_ports(&[]).await.unwrap();
    assert_eq!(cloud.tokens_asked(), 1);
    // A short-lived token is renewed at half time: it works still, and the service never sees an old one.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    network.list_ports(&[]).await.unwrap();
    assert_eq!(
        cloud.calls().iter().map(|c| c.header("x-auth-token").to_owned()).collect::<Vec<_>>(),
        ["tok-1", "tok-1", "tok-2"]
    );
}

#[tokio::test]
async fn while_the_old_token_works_a_broken_keystone_stops_nothing() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    cloud.keystone.lock().unwrap().lifetime = 6;
    let network = cloud.network();
    network.list_ports(&[]).await.unwrap();
    cloud.keystone.lock().unwrap().refuse = Some((500, "broken".to_owned()));
    tokio::time::sleep(Duration::from_millis(3100)).await;
    for _ in 0..5 {
        network.list_ports(&[]).await.unwrap();
    }
    assert_eq!(cloud.tokens_asked(), 2, "the failed renewal is remembered");
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_call_replayed_even_a_post() {
    let cloud = Cloud::start(|seen, _| match seen.header("x-auth-token") {
        "tok-1" => text(401, "Authentication required"),
        _ => answer(201, &json!({ "port": port("p") })),
    })
    .await;
    let network = cloud.network();
    network.create_port(&NewPort::default()).await.unwrap();
    // Endpoints survive the new token: no call loses its version.
    network.get_port("p").await.unwrap();
    assert_eq!(
        cloud.lines(),
        [
            "POST /identity/v3/auth/tokens",
            "POST /net/v2.0/ports",
            "POST /identity/v3/auth/tokens",
            "POST /net/v2.0/ports",
            "GET /net/v2.0/ports/p"
        ]
    );
    let ids: BTreeSet<_> =
        cloud.calls()[..2].iter().map(|c| c.header("x-openstack-request-id").to_owned()).collect();
    assert_eq!(ids.len(), 1, "a replay is the same request to an operator");
}

#[tokio::test]
async fn concurrent_refusals_lead_to_one_new_token() {
    let cloud = Cloud::start(revoked_up_to(1)).await;
    let network = cloud.network();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn({
                let n = network.clone();
                async move { n.list_ports(&[]).await }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(cloud.tokens_asked(), 2);
}

#[tokio::test]
async fn a_second_refusal_is_final() {
    let cloud = Cloud::start(revoked_up_to(99)).await;
    let error = cloud.network().list_ports(&[]).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!((cloud.tokens_asked(), cloud.calls().len()), (2, 2));
}

#[tokio::test]
async fn a_failed_authentication_is_not_hammered_and_says_what_to_check() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    let body = format!(
        r#"{{"error": {{"code": 401, "title": "Unauthorized", "message": "no entry for {CANARY}."}}}}"#
    );
    cloud.keystone.lock().unwrap().refuse = Some((401, body));
    let network = cloud.network();
    for _ in 0..20 {
        let error = network.delete_port("p").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "identity: get a token with [neutron] of the test: no entry for ***; check the credentials and the scope in \
             [neutron] of the test (HTTP 401, Unauthorized, req-of-the-service)"
        );
        assert!(!error.effect_unknown());
    }
    assert_eq!((cloud.tokens_asked(), cloud.calls().len()), (1, 0));
    cloud.keystone.lock().unwrap().refuse = None;
    tokio::time::sleep(Duration::from_millis(1050)).await;
    network.delete_port("p").await.unwrap();
}

#[tokio::test]
async fn a_404_of_keystone_or_a_proxy_never_means_that_a_port_is_gone() {
    let cloud = Cloud::start(|_, _| text(404, "<html><h1>404 Not Found</h1></html>")).await;
    let error = cloud.network().delete_port("p").await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }) && !error.is_not_found(), "{error}");
    assert!(error.to_string().contains("check the endpoint"), "{error}");
    let body = r#"{"error": {"code": 404, "title": "Not Found", "message": "no such page"}}"#;
    cloud.keystone.lock().unwrap().refuse = Some((404, body.to_owned()));
    let error = cloud.network().delete_port("p").await.unwrap_err();
    assert!(error.status() == Some(404) && !error.is_not_found(), "{error}");
}

#[tokio::test]
async fn region_and_interface_choose_the_endpoint() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    let url = |name: &str| format!("{}/{name}/v2.0/", cloud.base);
    cloud.keystone.lock().unwrap().catalog = Some(json!([
        service("compute", &[("public", "R1", url("wrong"))]),
        service(
            "network",
            &[
                ("admin", "R1", url("r1-admin")),
                ("public", "R1", url("r1-public")),
                ("public", "R2", url("r2-public")),
                ("internal", "R2", url("r2-internal")),
            ]
        ),
    ]));
    for (options, path) in [
        (vec![], "/r1-public/v2.0/ports"),
        (vec![("region_name", "R2")], "/r2-public/v2.0/ports"),
        (vec![("region_name", "R2"), ("endpoint_type", "internalURL")], "/r2-internal/v2.0/ports"),
        (vec![("region_name", "R1"), ("valid_interfaces", "internal,admin")], "/r1-admin/v2.0/ports"),
    ] {
        Client::new(cloud.session_with(&options)).list_ports(&[]).await.unwrap();
        assert_eq!(cloud.calls().last().unwrap().target, path);
    }
    let session = cloud.session_with(&[("region_name", "R9")]);
    assert_eq!(
        Client::new(session).list_ports(&[]).await.unwrap_err().to_string(),
        "the service catalog has no public endpoint for network in region R9; check region_name and endpoint_type"
    );
    let url = format!("{}/mine", cloud.base);
    Client::new(cloud.session_with(&[("region_name", "R9"), ("endpoint_override", &url)]))
        .list_ports(&[])
        .await
        .unwrap();
    assert_eq!(cloud.calls().last().unwrap().target, "/mine/v2.0/ports");
}

#[tokio::test]
async fn without_authentication_no_token_is_asked_nor_sent() {
    let cloud = Cloud::start(|_, _| text(401, "who are you")).await;
    let options = map(&[("auth_type", "none"), ("endpoint_override", &cloud.base)]);
    let session = Session::new(AuthSettings::from_keystoneauth_map("[neutron]", &options).unwrap()).unwrap();
    assert_eq!(Client::new(session).list_ports(&[]).await.unwrap_err().status(), Some(401));
    assert_eq!(cloud.lines(), ["GET /v2.0/ports"]);
    assert!(cloud.log()[0].headers.get("x-auth-token").is_none());
}

#[tokio::test]
async fn each_kind_of_credentials_has_its_request() {
    let cloud = Cloud::start(|_, _| ports(&[])).await;
    let url = format!("{}/identity/v3/", cloud.base);
    let user = [("auth_url", url.as_str()), ("user_id", "u"), ("password", "pw")];
    let by_user = json!({ "methods": ["password"], "password": { "user": { "id": "u", "password": "pw" } } });
    let named = [
        ("auth_url", url.as_str()),
        ("application_credential_name", "a"),
        ("application_credential_secret", "s"),
        ("user_name", "n"),
        ("default_domain_id", "d"),
    ];
    for (options, wanted) in [
        (
            [&user[..], &[("project_id", "p")]].concat(),
            json!({ "identity": by_user, "scope": { "project": { "id": "p" } } }),
        ),
        (
            [&user[..], &[("tenant_name", "t"), ("default_domain_name", "D")]].concat(),
            json!({ "identity": by_user, "scope": { "project": { "name": "t", "domain": { "name": "D" } } } }),
        ),
        (
            [&user[..], &[("domain_name", "D")]].concat(),
            json!({ "identity": by_user, "scope": { "domain": { "name": "D" } } }),
        ),
        (
            [&user[..], &[("system_scope", "all")]].concat(),
            json!({ "identity": by_user, "scope": { "system": { "all": true } } }),
        ),
        (
            [&user[..], &[("trust_id", "t")]].concat(),
            json!({ "identity": by_user, "scope": { "OS-TRUST:trust": { "id": "t" } } }),
        ),
        (
            vec![("auth_type", "v3token"), ("auth_url", &url), ("token", "tk"), ("project_id", "p")],
            json!({ "identity": { "methods": ["token"], "token": { "id": "tk" } }, "scope": { "project": { "id": "p" } } }),
        ),
        (
            vec![
                ("auth_plugin", "v3applicationcredential"),
                ("auth_url", &url),
                ("application_credential_id", "a"),
                ("application_credential_secret", "s"),
            ],
            json!({ "identity": { "methods": ["application_credential"], "application_credential": { "id": "a", "secret": "s" } } }),
        ),
        (
            named.to_vec(),
            json!({ "identity": { "methods": ["application_credential"], "application_credential": {
                "name": "a", "secret": "s", "user": { "name": "n", "domain": { "id": "d" } } } } }),
        ),
    ] {
        let settings = AuthSettings::from_keystoneauth_map("[x]", &map(&options)).unwrap();
        Session::new(settings).unwrap().authenticate().await.unwrap();
        let seen = cloud.log().pop().unwrap();
        assert_eq!((seen.target.as_str(), &seen.body["auth"]), ("/identity/v3/auth/tokens", &wanted));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let elsewhere = Cloud::start(|_, _| ports(&[])).await;
    let target = format!("{}/v2.0/ports", elsewhere.base);
    let cloud = Cloud::start(move |_, _| with_header(text(307, ""), "location", &target)).await;
    let error = cloud.network().list_ports(&[]).await.unwrap_err();
    assert!(error.to_string().contains("HTTP 307"), "{error}");
    assert!(elsewhere.log().is_empty());
}

#[tokio::test]
async fn an_observer_sees_every_exchange() {
    let cloud = Cloud::start(|_, n| if n == 0 { text(503, "") } else { ports(&[]) }).await;
    let records = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let session = cloud.session().with_observer({
        let (records, count) = (Arc::clone(&records), Arc::clone(&count));
        Arc::new(move |r| {
            count.fetch_add(1, Ordering::Relaxed);
            records.lock().unwrap().push(format!("{} {} {} {:?}", r.service, r.method, r.path, r.status));
        })
    });
    Client::new(session.clone()).list_ports(&[]).await.unwrap();
    assert_eq!(
        *records.lock().unwrap(),
        [
            "identity POST /auth/tokens Some(201)",
            "network GET /ports Some(503)",
            "network GET /ports Some(200)"
        ]
    );
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_silent_keystone_ends_within_the_deadline_and_leaves_no_doubt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v3", listener.local_addr().unwrap());
    let options = [
        ("auth_url", url.as_str()),
        ("user_id", "u"),
        ("password", CANARY),
        ("project_id", "p"),
        ("timeout", "0.8"),
    ];
    let session = Session::new(AuthSettings::from_keystoneauth_map("[x]", &map(&options)).unwrap()).unwrap();
    let from = Instant::now();
    let error = Client::new(session).create_port(&NewPort::default()).await.unwrap_err();
    assert!(from.elapsed() < Duration::from_millis(1500));
    assert!(matches!(error, Error::Unreachable { sent: false, .. }) && !error.effect_unknown(), "{error}");
    drop(listener);
}
