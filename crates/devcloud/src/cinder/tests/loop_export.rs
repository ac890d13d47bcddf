//! The service over real loop devices. Needs root.

use std::io::{Read, Write};

use super::*;
use crate::loop_volumes::LoopVolumes;

#[tokio::test]
async fn bytes_survive_detaching_attaching_and_cloning() {
    let dir = tempfile::tempdir().unwrap();
    let path = match LoopVolumes::open(dir.path()) {
        Ok(path) => Arc::new(path),
        Err(error) => panic!("this test needs root and the kernel's loop driver: {error}"),
    };
    let plain = Client::new();
    let cinder = Cinder::new(CinderOptions::default(), Some(path.clone()));
    let client = Client { cinder, ..plain };
    let volume = client.volume(json!({"size": 1})).await;
    let body = client.attach(&volume, "rw").await.ok(200);
    let node = body["attachment"]["connection_info"]["device_path"].as_str().unwrap().to_owned();
    let name = node.strip_prefix("/dev/").unwrap();
    let backing = std::fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).unwrap();
    assert!(backing.contains(&format!("volume-{volume}")), "{backing}");
    let mut device = std::fs::File::options().write(true).open(&node).unwrap();
    device.write_all(b"precious").unwrap();
    device.sync_all().unwrap();
    // In use by somebody: not even an administrator's detach takes it away.
    let attachment = id_of(&body);
    client.complete(&attachment).await.ok(204);
    let holder = rustix::fs::open(
        &node,
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::EXCL | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    client.delete(&format!("/attachments/{attachment}")).await.fault(500, "computeFault");
    drop((holder, device));
    client.delete(&format!("/attachments/{attachment}")).await.ok(200);
    assert!(path.exports().is_empty());

    let copy = client.volume(json!({"source_volid": volume, "size": 2})).await;
    let body = client.attach(&copy, "ro").await.ok(200);
    let node = body["attachment"]["connection_info"]["device_path"].as_str().unwrap();
    let mut text = [0; 8];
    std::fs::File::open(node).unwrap().read_exact(&mut text).unwrap();
    assert_eq!(&text, b"precious");
    client.delete(&format!("/attachments/{}", id_of(&body))).await.ok(200);
    for id in [volume, copy] {
        client.delete(&format!("/volumes/{id}")).await.ok(202);
        client.wait(&id, "gone").await;
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the lock alone");
}
