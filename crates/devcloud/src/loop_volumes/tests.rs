use std::io::{Read, Seek, SeekFrom, Write};

use super::*;

const ID: &str = "6f1ed3a8-0000-4000-8000-000000000001";
const COPY: &str = "6f1ed3a8-0000-4000-8000-000000000002";

/// Needs root and loop devices; a machine without them must not look as if it had passed.
fn volumes(dir: &tempfile::TempDir) -> LoopVolumes {
    match LoopVolumes::open(dir.path()) {
        Ok(volumes) => volumes,
        Err(error) => panic!("these tests need root and the kernel's loop driver: {error}"),
    }
}

fn write_at(path: &Path, offset: u64, data: &[u8]) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(data)?;
    file.sync_all()
}

fn read_at(path: &Path, offset: u64, length: usize) -> Vec<u8> {
    let mut file = File::open(path).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    let mut data = vec![0; length];
    file.read_exact(&mut data).unwrap();
    data
}

fn backing_of(node: &Path) -> Option<String> {
    let name = node.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
    Some(text.trim_end().to_owned())
}

fn until_free(node: &Path, dir: &tempfile::TempDir) -> bool {
    for _ in 0..200 {
        if backing_of(node).is_none_or(|backing| !backing.starts_with(dir.path().to_str().unwrap())) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[tokio::test]
async fn bytes_written_to_the_device_are_in_the_file_and_outlive_the_export() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, false).await.unwrap();
    assert_eq!(volumes.export(ID, false).await.unwrap(), node, "a repeated export answers the same");
    assert!(backing_of(&node).unwrap().ends_with(&format!("/volume-{ID}.raw")));
    write_at(&node, 5 << 20, b"kept").unwrap();
    volumes.unexport(ID).await.unwrap();
    assert!(until_free(&node, &dir));
    volumes.unexport(ID).await.unwrap();
    let file = dir.path().join(format!("volume-{ID}.raw"));
    assert_eq!(read_at(&file, 5 << 20, 4), b"kept");
    assert_eq!(fs::metadata(&file).unwrap().len(), 1 << 30);
    assert!(fs::metadata(&file).unwrap().blocks() < 4096, "holes stay holes");
}

#[tokio::test]
async fn the_device_goes_with_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, false).await.unwrap();
    drop(volumes);
    assert!(until_free(&node, &dir));
}

#[tokio::test]
async fn a_device_in_use_survives_a_restart_and_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let first = volumes(&dir);
    first.create(ID, 1).await.unwrap();
    let node = first.export(ID, false).await.unwrap();
    let user = File::open(&node).unwrap();
    drop(first);
    let second = volumes(&dir);
    assert_eq!(second.exports().get(ID), Some(&node));
    assert_eq!(second.export(ID, false).await.unwrap(), node);
    drop(user);
    second.unexport(ID).await.unwrap();
    assert!(until_free(&node, &dir));
}

#[tokio::test]
async fn a_device_in_use_is_not_taken_away_and_the_error_names_its_user() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, false).await.unwrap();
    let mut sleeper =
        std::process::Command::new("sleep").arg("60").stdin(File::open(&node).unwrap()).spawn().unwrap();
    let refused = volumes.unexport(ID).await;
    let exports = volumes.exports();
    let deleted = volumes.delete(ID).await;
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert!(refused.unwrap_err().0.contains("(sleep)"));
    assert_eq!(exports.get(ID), Some(&node), "it stays exported");
    assert!(deleted.unwrap_err().0.contains("unexport it first"));
    volumes.unexport(ID).await.unwrap();
    assert!(until_free(&node, &dir));
}

#[tokio::test]
async fn a_claimed_device_is_refused_at_once() {
    use rustix::fs::{Mode, OFlags};
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, false).await.unwrap();
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
    let claim = rustix::fs::open(&node, flags, Mode::empty()).unwrap();
    let start = Instant::now();
    assert!(volumes.unexport(ID).await.is_err());
    assert!(start.elapsed() < RELEASE_WAIT);
    drop(claim);
    volumes.unexport(ID).await.unwrap();
}

#[tokio::test]
async fn extending_grows_the_device_while_exported_and_never_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, false).await.unwrap();
    volumes.extend(ID, 3).await.unwrap();
    write_at(&node, (3 << 30) - 4096, &[7; 4096]).unwrap();
    assert!(volumes.extend(ID, 2).await.is_err());
    volumes.unexport(ID).await.unwrap();
}

#[tokio::test]
async fn a_clone_has_the_bytes_and_the_holes_and_never_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, false).await.unwrap();
    write_at(&node, 0, b"start").unwrap();
    write_at(&node, 700 << 20, b"middle").unwrap();
    volumes.clone_from(COPY, 2, ID).await.unwrap();
    let copy = dir.path().join(format!("volume-{COPY}.raw"));
    assert_eq!(read_at(&copy, 0, 5), b"start");
    assert_eq!(read_at(&copy, 700 << 20, 6), b"middle");
    assert_eq!(fs::metadata(&copy).unwrap().len(), 2 << 30);
    assert!(fs::metadata(&copy).unwrap().blocks() < 4096, "holes stay holes");
    assert!(volumes.clone_from(COPY, 2, ID).await.is_err(), "an existing volume is not replaced");
    assert_eq!(read_at(&copy, 0, 5), b"start");
    volumes.unexport(ID).await.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "two volumes and the lock");
}

#[tokio::test]
async fn an_existing_volume_is_not_created_again_and_an_absent_one_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    assert!(volumes.create(ID, 1).await.is_err());
    volumes.delete(ID).await.unwrap();
    volumes.delete(ID).await.unwrap();
    assert!(volumes.export(ID, false).await.is_err());
}

#[tokio::test]
async fn a_read_only_export_refuses_writes_until_somebody_may_write() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let node = volumes.export(ID, true).await.unwrap();
    assert!(write_at(&node, 0, &[1; 4096]).is_err());
    assert_eq!(volumes.export(ID, false).await.unwrap(), node);
    write_at(&node, 0, &[1; 4096]).unwrap();
    volumes.unexport(ID).await.unwrap();
}

#[tokio::test]
async fn names_that_leave_the_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    for id in ["", "../x", "a/b", "a.b"] {
        assert!(volumes.create(id, 1).await.is_err(), "{id:?}");
        assert!(volumes.delete(id).await.is_err(), "{id:?}");
    }
    assert!(volumes.create(ID, u64::MAX).await.is_err());
    assert!(volumes.create(ID, 0).await.is_err());
}

#[tokio::test]
async fn two_processes_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _first = volumes(&dir);
    assert!(LoopVolumes::open(dir.path()).unwrap_err().0.contains("another development cloud"));
}

#[tokio::test]
async fn a_file_somebody_else_attached_is_neither_exported_nor_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(&dir);
    volumes.create(ID, 1).await.unwrap();
    let path = dir.path().join(format!("volume-{ID}.raw"));
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let options =
        LoopOptions { autoclear: true, label: path.display().to_string(), ..LoopOptions::default() };
    let theirs = LoopControl::open().unwrap().attach(&file, &options).unwrap();
    assert!(volumes.export(ID, false).await.unwrap_err().0.contains("attached to its file already"));
    assert!(volumes.delete(ID).await.is_err());
    volumes.unexport(ID).await.unwrap();
    assert!(theirs.status().unwrap().is_some(), "unexport leaves it alone");
    drop(volumes);
    let again = self::volumes(&dir);
    assert!(again.exports().is_empty(), "it is not taken over");
    let node = theirs.path().to_owned();
    drop(theirs);
    assert!(until_free(&node, &dir));
    again.delete(ID).await.unwrap();
}
