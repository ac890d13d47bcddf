use serde_json::{Value, json};

use crate::client::{Cloud, id};

async fn pool(cloud: &Cloud, prefixes: Value) -> Value {
    cloud
        .create(
            "subnetpools",
            "subnetpool",
            json!({"name": "p", "prefixes": prefixes, "default_prefixlen": 25}),
        )
        .await
}

fn subnet(network: &str, extra: Value) -> Value {
    let mut body = json!({"network_id": network, "ip_version": 4, "enable_dhcp": false});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({"subnet": body})
}

#[tokio::test]
async fn prefixes_are_merged_and_lengths_written_as_text() {
    let cloud = Cloud::start().await;
    let pool = pool(&cloud, json!(["10.1.1.0/24", "10.1.0.0/24"])).await;
    assert_eq!(pool["prefixes"], json!(["10.1.0.0/23"]));
    assert_eq!(pool["default_prefixlen"], "25");
    assert_eq!(pool["ip_version"], 4);
    let mixed = json!({"subnetpool": {"name": "p", "prefixes": ["10.1.0.0/24", "fd00::/64"]}});
    cloud.post("subnetpools", mixed).await.refused(400, "PrefixVersionMismatch");
    let empty = json!({"subnetpool": {"name": "p", "prefixes": []}});
    cloud.post("subnetpools", empty).await.refused(400, "EmptySubnetPoolPrefixList");
}

#[tokio::test]
async fn subnets_are_cut_from_a_pool_by_first_fit_and_never_twice() {
    let cloud = Cloud::start().await;
    let (a, b) = (cloud.network().await, cloud.network().await);
    let pool = id(&pool(&cloud, json!(["10.1.0.0/24"])).await);
    let make = |network: &str, extra: Value| cloud.post("subnets", subnet(network, extra));
    let first = make(&a, json!({"subnetpool_id": pool})).await;
    assert_eq!(first.body["subnet"]["cidr"], "10.1.0.0/25");
    make(&b, json!({"subnetpool_id": pool, "cidr": "10.1.0.64/26"}))
        .await
        .refused(500, "SubnetAllocationError");
    make(&b, json!({"subnetpool_id": pool, "cidr": "10.9.0.0/26"}))
        .await
        .refused(500, "SubnetAllocationError");
    make(&b, json!({"subnetpool_id": pool, "prefixlen": 7}))
        .await
        .refused(400, "MinPrefixSubnetAllocationError");
    let second = make(&b, json!({"subnetpool_id": pool, "prefixlen": 26})).await;
    assert_eq!(second.body["subnet"]["cidr"], "10.1.0.128/26");
    make(&a, json!({"cidr": "10.7.0.0/24"})).await.refused(400, "NetworkSubnetPoolAffinityError");
    make(&b, json!({"subnetpool_id": pool, "prefixlen": 25})).await.refused(500, "SubnetAllocationError");
    cloud.delete(&format!("subnetpools/{pool}")).await.refused(400, "SubnetPoolDeleteError");
    for subnet in [first, second] {
        cloud.delete(&format!("subnets/{}", id(&subnet.body["subnet"]))).await;
    }
    assert_eq!(cloud.delete(&format!("subnetpools/{pool}")).await.status, 204);
    cloud.delete(&format!("subnetpools/{pool}")).await.refused(404, "SubnetPoolNotFound");
}

#[tokio::test]
async fn devstacks_default_pools_are_there() {
    let cloud = Cloud::start().await;
    let pools =
        cloud.get("subnetpools?is_default=true&sort_key=ip_version&sort_dir=asc").await.body["subnetpools"]
            .clone();
    assert_eq!(pools[0]["name"], "kuryr");
    assert_eq!(pools[0]["prefixes"], json!(["10.10.0.0/16"]));
    assert_eq!(pools[1]["prefixes"], json!(["fd10:10::/48"]));
    let network = cloud.network().await;
    let made = cloud.post("subnets", subnet(&network, json!({"use_default_subnetpool": true}))).await;
    assert_eq!(made.body["subnet"]["cidr"], "10.10.0.0/24");
    let one_default_only =
        json!({"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "is_default": true}});
    cloud.post("subnetpools", one_default_only).await.refused(400, "InvalidInput");
}
