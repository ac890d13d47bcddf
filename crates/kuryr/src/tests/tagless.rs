//! B39: a Neutron that keeps no tags.

use super::docker::{Docker, Net, Run, ip, v4};

fn tagless() -> Docker {
    let docker = Docker::new();
    docker.world.cloud.lock().unwrap().extensions.clear();
    docker
}

#[tokio::test]
async fn own_networks_work_without_tags() {
    let mut docker = tagless();
    let found = docker.world.snapshot();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
    docker.assert_forgotten("without tags");
}

#[tokio::test]
async fn a_network_used_without_tags_is_neither_renamed_nor_deleted() {
    let mut docker = tagless();
    let id = docker.operator_network("theirs", &["10.9.0.0/24"]).await;
    let found = docker.world.snapshot();
    let net = Net {
        options: vec![("neutron.net.uuid", id.clone())],
        aux: vec![ip("10.9.0.9")],
        ..v4("10.9.0.0/24")
    };
    let network = docker.network_create(&net).await.unwrap();
    assert_eq!(docker.world.snapshot().networks[&id], found.networks[&id]);
    let container = docker.run(&network, &Run::default()).await.unwrap();
    docker.stop(&container).await.unwrap();
    docker.network_rm(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), found);
}

#[tokio::test]
async fn without_tags_and_journal_nothing_is_recognised_and_nothing_touched() {
    let mut docker = tagless();
    let network = docker.network_create(&v4("10.9.0.0/24")).await.unwrap();
    docker.lose_journal();
    let before = docker.world.snapshot();
    docker.service.delete_network(&network).await.unwrap();
    assert_eq!(docker.world.snapshot(), before);
}

#[tokio::test]
async fn a_subnet_another_host_made_is_not_shared_without_tags() {
    let mut maker = tagless();
    let id = maker.operator_network("theirs", &[]).await;
    let net = Net { options: vec![("neutron.net.uuid", id.clone())], ..v4("10.9.0.0/24") };
    maker.network_create(&net).await.unwrap();
    let before = maker.world.snapshot();
    let mut other = maker.beside();
    let text = other.network_create(&net).await.unwrap_err().text();
    assert!(text.contains("keeps no tags"), "{text}");
    assert_eq!(other.world.snapshot(), before);
}
