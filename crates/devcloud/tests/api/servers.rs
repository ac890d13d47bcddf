//! Volumes of Nova's servers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use devcloud::datapath::{Result, VolumeDataPath};
use serde_json::{Value, json};

use crate::client::{Answer, Cloud, options};

/// Volumes without blocks.
#[derive(Debug)]
struct Paper;

#[async_trait]
impl VolumeDataPath for Paper {
    async fn create(&self, _: &str, _: u64) -> Result<()> {
        Ok(())
    }
    async fn clone_from(&self, _: &str, _: u64, _: &str) -> Result<()> {
        Ok(())
    }
    async fn delete(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn export(&self, id: &str, _: bool) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/dev/paper/{id}")))
    }
    async fn unexport(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn extend(&self, _: &str, _: u64) -> Result<()> {
        Ok(())
    }
}

const VERSION: &str = "compute 2.89";

/// A cloud with a server, as an administrator sees it.
struct Rig {
    cloud: Cloud,
    project: String,
    server: String,
    version: &'static str,
}

impl Rig {
    async fn new() -> Self {
        Self::with(devcloud_options()).await
    }

    async fn with(options: devcloud::Options) -> Self {
        let cloud = Cloud::with(options).await;
        let state = cloud.admin("GET", "state", None).await.body;
        let project = state["projects"]["admin"].as_str().unwrap().to_owned();
        let mut rig = Self { cloud, project, server: String::new(), version: VERSION };
        rig.server = rig.register(json!({"name": "host-1"})).await;
        rig
    }

    async fn register(&self, body: Value) -> String {
        let made = self.cloud.admin("POST", "servers", Some(body)).await;
        assert_eq!(made.status, 200, "{made:?}");
        made.body["server"]["id"].as_str().unwrap().to_owned()
    }

    async fn nova(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/compute/v2.1/servers{path}");
        let request = self.cloud.request(&self.cloud.token, method, &path, body);
        crate::client::read(request.header("openstack-api-version", self.version).send().await.unwrap()).await
    }

    async fn attachments(&self, method: &str, volume: &str, body: Option<Value>) -> Answer {
        let more = if volume.is_empty() { String::new() } else { format!("/{volume}") };
        self.nova(method, &format!("/{}/os-volume_attachments{more}", self.server), body).await
    }

    async fn attach(&self, volume: &str) -> Answer {
        self.attachments("POST", "", Some(json!({"volumeAttachment": {"volumeId": volume}}))).await
    }

    async fn cinder(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/volume/v3/{}{path}", self.project);
        let request = self.cloud.request(&self.cloud.token, method, &path, body);
        let request = request.header("openstack-api-version", "volume 3.54");
        crate::client::read(request.send().await.unwrap()).await
    }

    async fn volume(&self, fields: Value) -> String {
        let made = self.cinder("POST", "/volumes", Some(json!({"volume": fields}))).await;
        let id = made.body["volume"]["id"].as_str().unwrap().to_owned();
        self.wait(&id, "available").await;
        id
    }

    /// The statuses that are seen until this one.
    async fn wait(&self, volume: &str, status: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..2000 {
            let shown = self.cinder("GET", &format!("/volumes/{volume}"), None).await;
            let now = shown.body["volume"]["status"].as_str().unwrap().to_owned();
            if seen.last() != Some(&now) {
                seen.push(now.clone());
            }
            if now == status {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        panic!("{seen:?}, not {status}");
    }

    async fn wait_until_gone(&self, volume: &str) {
        for _ in 0..2000 {
            if self.attachments("GET", volume, None).await.status == 404 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        panic!("the server keeps volume {volume}");
    }

    async fn set(&self, servers: Value) {
        let answer = self.cloud.admin("POST", "options", Some(json!({"servers": servers}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

fn devcloud_options() -> devcloud::Options {
    let mut chosen = options();
    chosen.volume_path = Some(Arc::new(Paper));
    chosen
}

fn fault(answer: &Answer, status: u16, kind: &str) -> String {
    assert_eq!((answer.status, &answer.body[kind]["code"]), (status, &json!(status)), "{answer:?}");
    answer.body[kind]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_volume_comes_to_a_server_and_leaves_it_through_the_states_of_the_real_ones() {
    let rig = Rig::new().await;
    rig.set(json!({"attach_delay_ms": 900, "detach_delay_ms": 900})).await;
    let volume = rig.volume(json!({"size": 1})).await;
    let made = rig.attach(&volume).await;
    let wanted = json!({"id": volume, "serverId": rig.server, "volumeId": volume, "device": "/dev/vdb",
                        "delete_on_termination": false});
    assert_eq!((made.status, &made.body["volumeAttachment"]), (200, &wanted));
    assert_eq!(rig.wait(&volume, "in-use").await, ["reserved", "attaching", "in-use"]);

    let shown = rig.attachments("GET", &volume, None).await.body["volumeAttachment"].clone();
    assert!(shown.get("id").is_none() && shown["bdm_uuid"].is_string(), "{shown}");
    let attachment = shown["attachment_id"].as_str().unwrap().to_owned();
    let held = rig.cinder("GET", &format!("/volumes/{volume}"), None).await.body["volume"].clone();
    assert_eq!(held["attachments"][0]["server_id"], json!(rig.server));
    assert_eq!(held["attachments"][0]["attachment_id"], json!(attachment));
    let listed = rig.cinder("GET", &format!("/attachments?volume_id={volume}"), None).await;
    assert_eq!(listed.body["attachments"][0]["instance"], json!(rig.server));
    let server = rig.nova("GET", &format!("/{}", rig.server), None).await.body["server"].clone();
    assert_eq!((&server["status"], &server["name"]), (&json!("ACTIVE"), &json!("host-1")));
    assert_eq!(server["os-extended-volumes:volumes_attached"], json!([{"id": volume}]));

    assert_eq!(rig.attachments("DELETE", &volume, None).await.status, 202);
    assert_eq!(rig.attachments("GET", &volume, None).await.status, 200, "it is on its way, not gone");
    let twice = fault(&rig.attachments("DELETE", &volume, None).await, 400, "badRequest");
    assert!(twice.contains("'detaching'"), "{twice}");
    assert_eq!(rig.wait(&volume, "available").await, ["detaching", "available"]);
    rig.wait_until_gone(&volume).await;
    let gone = fault(&rig.attachments("DELETE", &volume, None).await, 404, "itemNotFound");
    assert!(gone.contains(&volume), "{gone}");
}

#[tokio::test]
async fn what_belongs_to_a_server_leaves_through_nova_only() {
    let rig = Rig::new().await;
    let volume = rig.volume(json!({"size": 1})).await;
    rig.attach(&volume).await;
    rig.wait(&volume, "in-use").await;
    let listed = rig.cinder("GET", &format!("/attachments?volume_id={volume}"), None).await;
    let id = listed.body["attachments"][0]["id"].as_str().unwrap().to_owned();
    let text =
        fault(&rig.cinder("DELETE", &format!("/attachments/{id}"), None).await, 409, "conflictingRequest");
    assert!(text.contains(&rig.server), "{text}");
    let action = Some(json!({"os-detach": {"attachment_id": id}}));
    fault(&rig.cinder("POST", &format!("/volumes/{volume}/action"), action).await, 409, "conflictingRequest");
    assert_eq!(rig.attachments("DELETE", &volume, None).await.status, 202);
    rig.wait(&volume, "available").await;
}

#[tokio::test]
async fn a_server_takes_no_volume_that_another_has_and_none_twice() {
    let rig = Rig::new().await;
    let volume = rig.volume(json!({"size": 1})).await;
    assert_eq!(rig.attach(&volume).await.status, 200);
    let twice = fault(&rig.attach(&volume).await, 400, "badRequest");
    assert!(twice.ends_with("already attached"), "{twice}");
    rig.wait(&volume, "in-use").await;
    let other = Rig { server: rig.register(json!({"name": "host-2"})).await, ..rig };
    let taken = fault(&other.attach(&volume).await, 400, "badRequest");
    assert!(taken.contains("the current status is in-use"), "{taken}");
    assert_eq!(other.attachments("GET", "", None).await.body["volumeAttachments"], json!([]));
    let absent = uuid::Uuid::new_v4().to_string();
    fault(&other.attach(&absent).await, 404, "itemNotFound");
    fault(&other.attach("no-uuid").await, 400, "badRequest");
    let nowhere = Rig { server: absent, ..other };
    let text = fault(&nowhere.attach(&volume).await, 404, "itemNotFound");
    assert!(text.starts_with("Instance "), "{text}");
}

#[tokio::test]
async fn disks_have_a_limit_and_the_servers_state_a_say() {
    let rig = Rig::new().await;
    rig.set(json!({"most_disks": 3})).await;
    let mut volumes = Vec::new();
    for _ in 0..3 {
        volumes.push(rig.volume(json!({"size": 1})).await);
    }
    for volume in &volumes[..2] {
        assert_eq!(rig.attach(volume).await.status, 200);
        rig.wait(volume, "in-use").await;
    }
    let text = fault(&rig.attach(&volumes[2]).await, 403, "forbidden");
    assert!(text.contains("number of disk devices (3)"), "{text}");
    assert_eq!(rig.wait(&volumes[2], "available").await, ["available"], "a refusal reserves nothing");

    rig.set(json!({})).await;
    rig.register(json!({"id": rig.server, "status": "ERROR"})).await;
    let text = fault(&rig.attach(&volumes[2]).await, 409, "conflictingRequest");
    assert!(text.contains("vm_state error"), "{text}");
    fault(&rig.attachments("DELETE", &volumes[0], None).await, 409, "conflictingRequest");
    rig.register(json!({"id": rig.server, "status": "SHUTOFF"})).await;
    assert_eq!(rig.attach(&volumes[2]).await.status, 200);
    rig.wait(&volumes[2], "in-use").await;

    rig.register(json!({"id": rig.server, "status": "DELETED"})).await;
    for volume in &volumes {
        rig.wait(volume, "available").await;
    }
    assert_eq!(rig.nova("GET", &format!("/{}", rig.server), None).await.status, 404);
    assert_eq!(rig.cloud.admin("GET", "state", None).await.body["servers"], json!([]));
}

#[tokio::test]
async fn a_disk_that_does_not_come_or_go_leaves_the_volume_as_it_was() {
    let rig = Rig::new().await;
    let volume = rig.volume(json!({"size": 1})).await;
    rig.set(json!({"next_attach_fails": 1, "next_detach_fails": 1})).await;
    assert_eq!(rig.attach(&volume).await.status, 200);
    rig.wait(&volume, "available").await;
    rig.wait_until_gone(&volume).await;
    assert_eq!(rig.attach(&volume).await.status, 200);
    rig.wait(&volume, "in-use").await;
    assert_eq!(rig.attachments("DELETE", &volume, None).await.status, 202);
    rig.wait(&volume, "in-use").await;
    assert_eq!(rig.attachments("GET", &volume, None).await.status, 200);
    assert_eq!(rig.attachments("DELETE", &volume, None).await.status, 202);
    rig.wait_until_gone(&volume).await;
}

#[tokio::test]
async fn versions_are_told_to_everybody_and_heeded() {
    let mut rig = Rig::new().await;
    let document = rig.cloud.call("", "GET", "/compute/v2.1/", None).await;
    assert_eq!((document.status, &document.body["version"]["version"]), (200, &json!("2.96")));
    let all = rig.cloud.call("", "GET", "/compute", None).await;
    assert_eq!((all.status, &all.body["versions"][0]["id"]), (200, &json!("v2.1")));
    assert_eq!(rig.cloud.call("wrong", "GET", "/compute/v2.1/servers", None).await.status, 401);
    let volume = rig.volume(json!({"size": 1, "volume_type": "multi"})).await;
    rig.version = "compute 2.59";
    let text = fault(&rig.attach(&volume).await, 400, "badRequest");
    assert!(text.contains("2.60"), "{text}");
    rig.version = "compute 2.97";
    fault(&rig.attach(&volume).await, 406, "computeFault");
    rig.version = "volume 3.1";
    let plain = rig.volume(json!({"size": 1})).await;
    assert_eq!(rig.attach(&plain).await.status, 200);
    let shown = rig.attachments("GET", &plain, None).await.body["volumeAttachment"].clone();
    assert_eq!((&shown["id"], shown.get("attachment_id")), (&json!(plain), None));
    let rule = json!({"service": "compute", "path": "*/os-volume_attachments", "action": {"status": 503}});
    rig.cloud.admin("POST", "faults", Some(rule)).await;
    fault(&rig.attachments("GET", "", None).await, 503, "computeFault");
}

#[tokio::test]
async fn a_machine_learns_from_the_metadata_service_which_server_it_is() {
    let rig = Rig::new().await;
    let path = format!("/metadata/{}/openstack/latest/meta_data.json", rig.server);
    let document = rig.cloud.call("", "GET", &path, None).await;
    assert_eq!((document.status, &document.body["uuid"]), (200, &json!(rig.server)));
    assert_eq!(document.body["name"], "host-1");
    assert_eq!(rig.cloud.call("", "GET", &path.replace(&rig.server, "other"), None).await.status, 404);
}

#[tokio::test]
async fn a_restarted_cloud_finishes_what_was_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut chosen = devcloud_options();
    chosen.state_file = Some(folder.path().join("cloud.json"));
    let rig = Rig::with(chosen.clone()).await;
    let (coming, leaving) = (rig.volume(json!({"size": 1})).await, rig.volume(json!({"size": 1})).await);
    rig.attach(&leaving).await;
    rig.wait(&leaving, "in-use").await;
    rig.set(json!({"attach_delay_ms": 3_600_000, "detach_delay_ms": 3_600_000})).await;
    assert_eq!(rig.attach(&coming).await.status, 200);
    assert_eq!(rig.attachments("DELETE", &leaving, None).await.status, 202);
    let server = rig.server.clone();
    rig.cloud.stop().await;

    let mut rig = Rig::with(chosen).await;
    rig.server = server;
    rig.wait(&coming, "in-use").await;
    rig.wait(&leaving, "available").await;
    rig.wait_until_gone(&leaving).await;
}
