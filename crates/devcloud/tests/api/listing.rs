use serde_json::{Value, json};

use crate::client::{Answer, Cloud};

fn names(answer: &Answer, key: &str) -> Vec<String> {
    let items = answer.body[key].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    items.iter().map(|n| n["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn filters_repeat_for_or_combine_for_and_and_may_ask_for_nothing() {
    let cloud = Cloud::start().await;
    for (name, tags) in [("a", json!(["x", "y"])), ("b", json!(["x"])), ("c", json!([]))] {
        let made = cloud.create("networks", "network", json!({"name": name, "shared": name == "c"})).await;
        cloud.put(&format!("networks/{}/tags", made["id"].as_str().unwrap()), json!({"tags": tags})).await;
    }
    let table: [(&str, &[&str]); 12] = [
        ("", &["a", "b", "c"]),
        ("name=a", &["a"]),
        ("name=a&name=c", &["a", "c"]),
        ("name=a&shared=true", &[]),
        ("shared=True", &["c"]),
        ("mtu=1450&name=b", &["b"]),
        ("name=", &[]),
        ("tags=x,y", &["a"]),
        ("tags=x", &["a", "b"]),
        ("tags-any=y,z", &["a"]),
        ("not-tags=x,y", &["b", "c"]),
        ("not-tags-any=x,y", &["c"]),
    ];
    for (query, wanted) in table {
        let found =
            names(&cloud.get(&format!("networks?sort_key=name&sort_dir=asc&{query}")).await, "networks");
        assert_eq!(found, wanted, "{query}");
    }
    cloud.get("networks?colour=red").await.refused(400, "HTTPBadRequest");
}

#[tokio::test]
async fn a_fixed_ip_filter_matches_each_key_by_itself() {
    let cloud = Cloud::start().await;
    let network = cloud.network().await;
    let (a, b) = (cloud.subnet(&network, "10.1.0.0/24").await, cloud.subnet(&network, "10.2.0.0/24").await);
    let fixed =
        json!([{"subnet_id": a, "ip_address": "10.1.0.5"}, {"subnet_id": b, "ip_address": "10.2.0.6"}]);
    cloud.port(json!({"network_id": network, "name": "p", "fixed_ips": fixed, "mac_address": "02:00:00:00:00:0a"})).await;
    cloud.port(json!({"network_id": network, "name": "q", "fixed_ips": [{"subnet_id": a, "ip_address": "10.1.0.2"}]})).await;
    let table = [
        (format!("fixed_ips=subnet_id={a}&fixed_ips=ip_address=10.1.0.5"), vec!["p"]),
        (format!("fixed_ips=subnet_id={b}&fixed_ips=ip_address=10.1.0.5"), vec!["p"]),
        (format!("fixed_ips=subnet_id={a}"), vec!["p", "q"]),
        ("fixed_ips=ip_address=10.1.0.5&fixed_ips=ip_address=10.1.0.2".into(), vec!["p", "q"]),
        ("fixed_ips=ip_address%3D10.2.0.6".into(), vec!["p"]),
        ("mac_address=02:00:00:00:00:0A".into(), vec!["p"]),
        (format!("network_id={network}&name=q"), vec!["q"]),
    ];
    for (query, wanted) in table {
        assert_eq!(
            names(&cloud.get(&format!("ports?sort_key=name&sort_dir=asc&{query}")).await, "ports"),
            wanted,
            "{query}"
        );
    }
}

#[tokio::test]
async fn pages_follow_their_links_to_the_end_and_back() {
    let cloud = Cloud::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        cloud.create("networks", "network", json!({"name": name})).await;
    }
    let link = |answer: &Answer, rel: &str| -> Option<String> {
        let links = answer.body["networks_links"].as_array()?;
        let found = links.iter().find(|l| l["rel"] == rel)?;
        Some(found["href"].as_str().unwrap().split_once("/v2.0/").unwrap().1.to_owned())
    };
    let first = cloud.get("networks?limit=2&sort_key=name&sort_dir=desc").await;
    assert_eq!(names(&first, "networks"), ["e", "d"]);
    assert!(link(&first, "previous").is_some(), "Neutron does not look whether anything comes before");
    let second = cloud.get(&link(&first, "next").unwrap()).await;
    assert_eq!(names(&second, "networks"), ["c", "b"]);
    let third = cloud.get(&link(&second, "next").unwrap()).await;
    assert_eq!((names(&third, "networks"), link(&third, "next")), (vec!["a".into()], None));
    let back = cloud.get(&link(&third, "previous").unwrap()).await;
    assert_eq!(names(&back, "networks"), ["c", "b"]);
    cloud.get("networks?limit=2&marker=nothing").await.refused(404, "NetworkNotFound");
    cloud.get("networks?limit=x").await.refused(400, "BadRequest");
    cloud.get("networks?sort_key=name").await.refused(400, "HTTPBadRequest");
    cloud.get("networks?sort_key=colour&sort_dir=asc").await.refused(400, "HTTPBadRequest");
    let all = cloud.get("networks?fields=id&fields=name").await;
    assert!(all.body.get("networks_links").is_none());
    assert_eq!(all.body["networks"][0].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn extensions_name_what_is_there() {
    let cloud = Cloud::start().await;
    let all = cloud.get("extensions").await.body["extensions"].clone();
    let aliases: Vec<_> =
        all.as_array().unwrap().iter().filter_map(|e: &Value| e["alias"].as_str()).collect();
    for alias in [
        "standard-attr-tag",
        "subnet_allocation",
        "security-group",
        "binding",
        "tag-ports-during-bulk-creation",
    ] {
        assert!(aliases.contains(&alias), "{alias}");
        assert_eq!(cloud.get(&format!("extensions/{alias}")).await.body["extension"]["alias"], alias);
    }
    assert_eq!(cloud.get("extensions/nothing").await.status, 404);
}
