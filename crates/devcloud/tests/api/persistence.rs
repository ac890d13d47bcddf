use std::time::Duration;

use serde_json::json;

use crate::client::{Cloud, options};

#[tokio::test]
async fn a_restarted_cloud_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cloud.json");
    let mut chosen = options();
    chosen.state_file = Some(file.clone());
    let cloud = Cloud::with(chosen.clone()).await;
    let network = cloud.network().await;
    cloud.subnet(&network, "10.1.0.0/24").await;
    let port = cloud.port(json!({"network_id": network, "binding:host_id": "h"})).await.body["port"].clone();
    let before = cloud.admin("GET", "state", None).await.body;
    cloud.stop().await;

    let cloud = Cloud::with(chosen.clone()).await;
    assert_eq!(cloud.admin("GET", "state", None).await.body, before);
    let found = cloud.get(&format!("ports/{}", port["id"].as_str().unwrap())).await.body["port"].clone();
    assert_eq!(found, port);
    let next = cloud.port(json!({"network_id": network})).await.body["port"].clone();
    assert_eq!(next["fixed_ips"][0]["ip_address"], "10.1.0.3");
    // Without a stop it is written soon as well.
    let name = next["id"].as_str().unwrap();
    for _ in 0..100 {
        if std::fs::read_to_string(&file).unwrap().contains(name) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(std::fs::read_to_string(&file).unwrap().contains(name));
}

#[tokio::test]
async fn a_damaged_state_file_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cloud.json");
    std::fs::write(&file, "{\"network\": 7").unwrap();
    let mut chosen = options();
    chosen.state_file = Some(file.clone());
    let error = devcloud::DevCloud::start(chosen).await.unwrap_err().to_string();
    assert!(error.contains("cloud.json"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"network\": 7");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let cloud = Cloud::own().await;
    let mut chosen = options();
    let address = cloud.base.strip_prefix("http://").unwrap();
    chosen.listen = address.parse().unwrap();
    let error = devcloud::DevCloud::start(chosen).await.unwrap_err().to_string();
    assert!(error.contains(address), "{error}");
}
