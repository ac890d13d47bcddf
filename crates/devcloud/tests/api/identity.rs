use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Cloud, options, password, read};

#[tokio::test]
async fn versions_are_public_and_services_are_not() {
    let cloud = Cloud::own().await;
    let bare = |path: &str| {
        let url = format!("{}{path}", cloud.base);
        let request = cloud.http.get(url);
        async move { read(request.send().await.unwrap()).await }
    };
    let choices = bare("/identity").await;
    assert_eq!((choices.status, &choices.body["versions"]["values"][0]["id"]), (300, &json!("v3.14")));
    assert_eq!(bare("/identity/v3/").await.body["version"]["status"], "stable");
    assert_eq!(bare("/networking/").await.body["versions"][0]["id"], "v2.0");
    for path in ["/networking/v2.0/networks", "/volume/v3/p/volumes"] {
        let refused = bare(path).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["title"]),
            (401, &json!("Unauthorized")),
            "{path}"
        );
    }
    let url = format!("{}/networking/v2.0/networks", cloud.base);
    let answer = cloud.http.get(url).send().await.unwrap();
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Keystone uri="));
    assert!(answer.headers()["x-openstack-request-id"].to_str().unwrap().starts_with("req-"));
}

#[tokio::test]
async fn a_password_gives_a_token_with_a_catalog() {
    let cloud = Cloud::own().await;
    let url = format!("{}/identity/v3/auth/tokens", cloud.base);
    let answer = cloud.http.post(url).json(&password("demo", "demo", "demo")).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let body: Value = answer.json().await.unwrap();
    let token = &body["token"];
    assert_eq!(token["project"]["name"], "demo");
    assert_eq!(token["roles"][0]["name"], "member");
    let kinds: Vec<_> =
        token["catalog"].as_array().unwrap().iter().map(|s| s["type"].as_str().unwrap()).collect();
    let expected =
        ["identity", "network", "compute", "block-storage", "volumev3", "shared-file-system", "sharev2"];
    assert_eq!(kinds, expected);
    let volume = &token["catalog"][3]["endpoints"];
    assert_eq!(volume.as_array().unwrap().len(), 3);
    assert!(volume[0]["url"].as_str().unwrap().ends_with(token["project"]["id"].as_str().unwrap()));
    assert_eq!(volume[0]["region"], "RegionOne");
}

#[tokio::test]
async fn wrong_proofs_are_refused_alike() {
    let cloud = Cloud::start().await;
    let domain = json!({"id": "elsewhere"});
    let mut foreign = password("demo", "demo", "demo");
    foreign["auth"]["identity"]["password"]["user"]["domain"] = domain;
    for body in [password("demo", "wrong", "demo"), password("nobody", "x", "demo"), foreign] {
        let refused = cloud.issue(&body).await.unwrap_err();
        assert_eq!(refused.status, 401);
        assert_eq!(refused.body["error"]["message"], "The request you have made requires authentication.");
    }
    assert_eq!(cloud.issue(&password("demo", "demo", "admin")).await.unwrap_err().status, 401);
    assert_eq!(cloud.issue(&json!({})).await.unwrap_err().status, 400);
}

#[tokio::test]
async fn application_credentials_trusts_and_tokens_authenticate_too() {
    let cloud = Cloud::own().await;
    let credential = |secret: &str, extra: Value| {
        let mut auth = json!({"identity": {"methods": ["application_credential"],
            "application_credential": {"id": devcloud::APPLICATION_CREDENTIAL_ID, "secret": secret}}});
        auth.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"auth": auth})
    };
    let token = cloud.issue(&credential("kuryr-secret", json!({}))).await.unwrap();
    assert_eq!(cloud.call(&token, "GET", "/networking/v2.0/networks", None).await.status, 200);
    assert_eq!(cloud.issue(&credential("wrong", json!({}))).await.unwrap_err().status, 401);
    let scoped = credential("kuryr-secret", json!({"scope": {"project": {"id": "x"}}}));
    assert_eq!(cloud.issue(&scoped).await.unwrap_err().status, 401);

    let mut trust = password("service", "admin", "service");
    trust["auth"]["scope"] = json!({"OS-TRUST:trust": {"id": devcloud::TRUST_ID}});
    let trusted = cloud.issue(&trust).await.unwrap();
    let made = cloud.call(&trusted, "POST", "/networking/v2.0/networks", Some(json!({"network": {}}))).await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let path = format!("/networking/v2.0/networks/{}", made.body["network"]["id"].as_str().unwrap());
    assert_eq!(cloud.call(&demo, "GET", &path, None).await.status, 200);

    let rescope = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": cloud.token}},
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}});
    assert!(cloud.issue(&rescope).await.is_ok());
}

#[tokio::test]
async fn tokens_expire_and_can_be_revoked() {
    let mut short = options();
    short.token_lifetime = Duration::from_millis(300);
    let cloud = Cloud::with(short).await;
    assert_eq!(cloud.get("networks").await.status, 200);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(cloud.get("networks").await.status, 401);

    let cloud = Cloud::own().await;
    let demo = cloud.login("demo", "demo", "demo").await;
    let auth = format!("{}/identity/v3/auth/tokens", cloud.base);
    let ask = |method: reqwest::Method| {
        let request = cloud.http.request(method, &auth).header("x-auth-token", &cloud.token);
        request.header("x-subject-token", &demo).send()
    };
    assert_eq!(ask(reqwest::Method::HEAD).await.unwrap().status(), 200);
    assert_eq!(ask(reqwest::Method::DELETE).await.unwrap().status(), 204);
    assert_eq!(ask(reqwest::Method::GET).await.unwrap().status(), 404);
    assert_eq!(cloud.admin("POST", "tokens/revoke", None).await.body["revoked"], 1);
    assert_eq!(cloud.get("networks").await.status, 401);
}
