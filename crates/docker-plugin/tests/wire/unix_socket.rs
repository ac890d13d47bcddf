//! The file of a unix socket.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::Path,
};

use docker_plugin::{
    Error,
    server::{Listener, UnixSocketOptions},
};

fn listen(path: &Path) -> docker_plugin::Result<Listener> {
    Listener::unix(path, &UnixSocketOptions::default())
}

/// The number of a group in `/etc/group`.
fn group(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").unwrap();
    groups.lines().find_map(|line| line.strip_prefix(&format!("{name}:"))?.split(':').nth(1)?.parse().ok())
}

#[test]
fn h20_it_is_for_its_owner_and_group_docker() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way/kuryr.sock");
    let listener = listen(&path).unwrap();
    let file = fs::symlink_metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    if let Some(docker) = group("docker") {
        assert_eq!(file.gid(), docker);
    }
    UnixStream::connect(&path).unwrap();
    let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "Docker would look at anything else: {names:?}");
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn mode_and_group_can_be_chosen_and_an_absent_group_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    for (name, wanted) in [("daemon", group("daemon")), ("no-such-group-at-all", None)] {
        let path = directory.path().join(name);
        let options = UnixSocketOptions { mode: 0o600, group: Some(name.to_owned()) };
        let _listener = Listener::unix(&path, &options).unwrap();
        let file = fs::symlink_metadata(&path).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        if let Some(wanted) = wanted {
            assert_eq!(file.gid(), wanted);
        }
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a killed process leaves its file");
    let _listener = listen(&path).unwrap();
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_living_socket_is_left_alone_even_if_its_queue_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr.sock");
    let living =
        rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&living, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&living, 0).unwrap();
    assert!(matches!(listen(&path), Err(Error::InUse { .. })));
    // The try above is in the queue, which is full with it.
    assert!(matches!(listen(&path), Err(Error::InUse { .. })));
    assert!(path.exists());
}

#[test]
fn anything_that_is_not_a_listening_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let folder = directory.path().join("folder");
    fs::create_dir(&folder).unwrap();
    for path in [&file, &link, &folder] {
        let error = listen(path).unwrap_err();
        assert!(matches!(error, Error::NotASocket { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let datagram = directory.path().join("datagram");
    let _living = UnixDatagram::bind(&datagram).unwrap();
    assert!(matches!(listen(&datagram), Err(Error::InUse { .. })));
}

#[test]
fn what_a_process_killed_while_starting_left_is_cleaned_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr.sock");
    let workshop = directory.path().join(".kuryr.sock.new");
    fs::create_dir(&workshop).unwrap();
    drop(UnixListener::bind(workshop.join("s")).unwrap());
    let _listener = listen(&path).unwrap();
    assert!(!workshop.exists());
    UnixStream::connect(&path).unwrap();
}

#[test]
fn the_file_of_a_successor_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr.sock");
    let old = listen(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _new = listen(&path).unwrap();
    drop(old);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn of_many_that_start_at_once_one_gets_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kuryr.sock");
    drop(UnixListener::bind(&path).unwrap());
    let starts: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn({
                let path = path.clone();
                move || listen(&path)
            })
        })
        .collect();
    let results: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
}

#[test]
fn a_path_that_is_too_long_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x".repeat(200));
    let error = listen(&path).unwrap_err().to_string();
    assert!(error.contains("xxx"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing left behind");
}
