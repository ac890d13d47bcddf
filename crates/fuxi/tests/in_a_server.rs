//! A virtual machine of Nova's: service, real clients, development cloud, loop devices, filesystems, mounts. Needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use devcloud::loop_volumes::LoopVolumes;
use fuxi::{LocalHost, Nova, Service, Settings, ThisServer};
use host_storage::connector::Machine;
use openstack::{AuthSettings, Session, block_storage, compute};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: &str = "5e5e5e5e-1122-4000-8000-000000000001";

/// Runs the test again in its own mount namespace; true in there.
fn in_own_namespace(test: &str) -> bool {
    const INSIDE: &str = "FUXI_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test} failed inside its namespace");
    false
}

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

struct Rig {
    dir: tempfile::TempDir,
    cloud: devcloud::Running,
    volumes: Arc<LoopVolumes>,
    cinder: block_storage::Client,
    nova: compute::Client,
    state: journal::StateDir,
    host: Arc<LocalHost>,
}

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let volumes = Arc::new(LoopVolumes::open(dir.path().join("cloud")).unwrap());
        let mut cloud_options = devcloud::Options::new("127.0.0.1:0".parse().unwrap());
        cloud_options.volume_path = Some(volumes.clone());
        let cloud = devcloud::DevCloud::start(cloud_options).await.unwrap();
        let auth = options(&[
            ("auth_url", &cloud.auth_url),
            ("username", "admin"),
            ("password", "admin"),
            ("project_name", "admin"),
            ("user_domain_name", "Default"),
            ("project_domain_name", "Default"),
        ]);
        let session = Session::new(AuthSettings::from_keystoneauth_map("[cinder]", &auth).unwrap()).unwrap();
        let (cinder, nova) = (block_storage::Client::new(session.clone()), compute::Client::new(session));
        let state = journal::StateDir::open(dir.path().join("state")).unwrap();
        let host = Arc::new(LocalHost::open(&dir.path().join("mounts"), "vm-1", None).unwrap());
        let rig = Self { dir, cloud, volumes, cinder, nova, state, host };
        rig.firmware(SERVER);
        rig.admin("servers", &json!({"id": SERVER, "name": "vm-1"})).await;
        rig
    }

    /// What DMI says.
    fn firmware(&self, id: &str) {
        let path = Machine::at(&self.dir.path().join("machine")).path("/sys/class/dmi/id/product_uuid");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, id).unwrap();
    }

    /// Tells the development cloud.
    async fn admin(&self, what: &str, body: &Value) {
        let body = body.to_string();
        let request = format!(
            "POST /admin/{what} HTTP/1.1\r\nhost: c\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(self.cloud.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    fn service(&self) -> Service {
        let settings = Settings {
            detach_delay: Duration::ZERO,
            doubt_delay: Duration::ZERO,
            poll_longest: Duration::from_millis(200),
            ..Settings::default()
        };
        let metadata = format!("http://{}/metadata/{SERVER}", self.cloud.addr).parse().unwrap();
        let identity = ThisServer::new(metadata).on(Machine::at(&self.dir.path().join("machine")));
        let nova = Nova { servers: Arc::new(self.nova.clone()), identity: Arc::new(identity) };
        Service::open_in_server(settings, &self.state, Arc::new(self.cinder.clone()), self.host.clone(), nova)
            .unwrap()
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path.join("f"), text).unwrap();
}

#[tokio::test]
async fn a_volume_follows_its_container_through_nova() {
    if !in_own_namespace("a_volume_follows_its_container_through_nova") {
        return;
    }
    let rig = Rig::new().await;
    rig.admin("options", &json!({"servers": {"attach_delay_ms": 300, "detach_delay_ms": 300}})).await;
    let service = rig.service();
    service.create("v", options(&[("size", "1")])).await.unwrap();
    let path = service.mount("v", "a").await.unwrap();
    write(&path, "precious");
    let held = rig.nova.list_volume_attachments(SERVER).await.unwrap();
    assert_eq!(held.len(), 1);
    let volume = rig.cinder.get_volume(&held[0].volume_id).await.unwrap();
    assert_eq!(
        (volume.status.as_str(), volume.attachments[0].server_id.as_deref()),
        ("in-use", Some(SERVER))
    );
    let error = rig.cinder.delete_attachment(&volume.attachments[0].attachment_id).await.unwrap_err();
    assert!(error.is_conflict(), "only Nova ends it: {error}");
    service.unmount("v", "a").await.unwrap();
    assert!(rig.nova.list_volume_attachments(SERVER).await.unwrap().is_empty());
    assert_eq!(rig.cinder.get_volume(&volume.id).await.unwrap().status, "available");
    assert!(rig.volumes.exports().is_empty());

    // The next process finds it as it was.
    drop(service);
    let service = rig.service();
    service.recover().await;
    let path = service.mount("v", "b").await.unwrap();
    assert_eq!(std::fs::read_to_string(path.join("f")).unwrap(), "precious");
    service.unmount("v", "b").await.unwrap();
    service.remove("v").await.unwrap();
    rig.cloud.stop().await.unwrap();
}

#[tokio::test]
async fn lost_answers_of_nova_leave_nothing() {
    if !in_own_namespace("lost_answers_of_nova_leave_nothing") {
        return;
    }
    let rig = Rig::new().await;
    let service = rig.service();
    service.create("v", options(&[("size", "1")])).await.unwrap();
    let lose = |method: &str| {
        json!({"service": "compute", "method": method, "path": "*/os-volume_attachments*",
               "action": {"lose_answer": true}})
    };
    rig.admin("faults", &lose("POST")).await;
    let text = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("attach it to this server"), "{text}");
    assert!(rig.nova.list_volume_attachments(SERVER).await.unwrap().is_empty(), "it was undone");
    let path = service.mount("v", "a").await.unwrap();
    write(&path, "x");
    rig.admin("faults", &lose("DELETE")).await;
    service.unmount("v", "a").await.unwrap();
    assert!(rig.nova.list_volume_attachments(SERVER).await.unwrap().is_empty());
    // A disk that the server keeps at first, and one that never comes.
    service.mount("v", "a").await.unwrap();
    rig.admin("options", &json!({"servers": {"next_detach_fails": 1}})).await;
    service.unmount("v", "a").await.unwrap();
    rig.admin("options", &json!({"servers": {"next_attach_fails": 1}})).await;
    let text = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("Nova could not attach it to this server"), "{text}");
    rig.admin("options", &json!({"servers": {"most_disks": 1}})).await;
    let text = service.mount("v", "a").await.unwrap_err().to_string();
    assert!(text.contains("max_disk_devices_to_attach"), "{text}");
    service.remove("v").await.unwrap();
    assert!(rig.volumes.exports().is_empty());
    rig.cloud.stop().await.unwrap();
}

#[tokio::test]
async fn h32_a_machine_whose_firmware_names_another_server_attaches_nothing() {
    let rig = Rig::new().await;
    // The same id in the other byte order is the same.
    rig.firmware("5E5E5E5E-2211-0040-8000-000000000001\n");
    assert!(fuxi_identity(&rig).await.is_ok());
    let stale = "aaaaaaaa-1122-4000-8000-000000000001";
    rig.firmware(stale);
    let text = fuxi_identity(&rig).await.unwrap_err();
    assert!(text.contains(stale) && text.contains(SERVER) && text.contains("contradict"), "{text}");
    rig.cloud.stop().await.unwrap();
}

async fn fuxi_identity(rig: &Rig) -> Result<String, String> {
    let metadata = format!("http://{}/metadata/{SERVER}", rig.cloud.addr).parse().unwrap();
    let identity = ThisServer::new(metadata).on(Machine::at(&rig.dir.path().join("machine")));
    fuxi::Identity::server_id(&identity).await
}
