//! Daemons that are away, hang or are something else.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use host_net::ovs::{Error, OpenVswitch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::ports::{pair, port};
use crate::switch::{in_namespace, ip, with_switch};

/// A deadline these tests can wait for.
const SHORT: Duration = Duration::from_secs(1);

#[test]
fn without_a_database_the_advice_is_to_start_it() {
    in_namespace(|links| async move {
        pair(&links, "tap0", "t_c0").await;
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("db.sock");
        for stale in [false, true] {
            if stale {
                // A socket file whose server is dead.
                drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            }
            let ovs = OpenVswitch::new(&socket);
            let start = Instant::now();
            let error = ovs.ensure_port(&port("br-int", "tap0")).await.unwrap_err();
            assert!(matches!(error, Error::OvsAbsent { .. }), "{error}");
            assert!(error.to_string().contains("start ovsdb-server"), "{error}");
            assert!(error.to_string().contains(&socket.display().to_string()), "{error}");
            assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
            assert!(matches!(ovs.delete_port("tap0").await, Err(Error::OvsAbsent { .. })));
        }
    });
}

#[test]
fn a_restart_of_the_database_is_no_event() {
    with_switch(|mut switch, links| async move {
        let ovs = switch.client();
        pair(&links, "tap0", "t_c0").await;
        pair(&links, "tap1", "t_c1").await;
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        switch.stop_database();
        switch.start_database();
        ovs.ensure_port(&port("br-int", "tap1")).await.unwrap();
        // And one that happens while an operation is under way.
        switch.stop_database();
        let during = {
            let ovs = ovs.clone();
            tokio::spawn(async move { ovs.delete_port("tap0").await })
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        switch.start_database();
        during.await.unwrap().unwrap();
        assert_eq!(switch.vsctl("list-ports br-int"), "tap1\n");
    });
}

#[test]
fn without_ovs_vswitchd_adding_ends_at_the_deadline_and_deleting_works() {
    with_switch(|mut switch, links| async move {
        pair(&links, "tap0", "t_c0").await;
        switch.stop_switch();
        let ovs = switch.client().with_deadline(SHORT);
        let start = Instant::now();
        let error = ovs.ensure_port(&port("br-int", "tap0")).await.unwrap_err();
        assert!(start.elapsed() < SHORT * 2, "{:?}", start.elapsed());
        assert!(matches!(error, Error::OvsNotProcessed { .. }), "{error}");
        assert!(error.to_string().contains("ovs-vswitchd"), "{error}");
        // The repeat finishes once it is back.
        switch.start_switch();
        switch.client().ensure_port(&port("br-int", "tap0")).await.unwrap();
        switch.stop_switch();
        ovs.delete_port("tap0").await.unwrap();
        assert_eq!(switch.vsctl("list-ports br-int"), "");
    });
}

#[test]
fn a_link_made_anew_under_its_old_name_is_attached_anew() {
    with_switch(|switch, links| async move {
        let ovs = switch.client();
        pair(&links, "tap0", "t_c0").await;
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        let before = switch.vsctl("get port tap0 _uuid");
        links.delete_veth("tap0").await.unwrap();
        pair(&links, "tap0", "t_c0").await;
        ovs.ensure_port(&port("br-int", "tap0")).await.unwrap();
        assert_ne!(switch.vsctl("get port tap0 _uuid"), before);
        // The switch's own end reaches the new link.
        ip("addr add 10.5.0.1/24 dev br-int");
        ip("link set br-int up");
        ip("link set t_c0 up");
        ip("neigh add 10.5.0.2 lladdr 02:00:00:00:00:07 dev br-int");
        let received = || ip("-s -j link show t_c0");
        let packets = |text: String| {
            let rx = text.split("\"rx\":{").nth(1).unwrap().split("\"packets\":").nth(1).unwrap();
            rx.split(',').next().unwrap().parse::<u64>().unwrap()
        };
        let count = packets(received());
        let socket = std::net::UdpSocket::bind("10.5.0.1:0").unwrap();
        switch.until("a frame arrives", || {
            socket.send_to(b"x", "10.5.0.2:9").unwrap();
            packets(received()) > count
        });
    });
}

/// What a server makes of a request; `None` closes.
type Answer = fn(&[u8]) -> Option<Vec<u8>>;

/// Serves each connection.
async fn fake(socket: &Path, answer: Answer) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    let Some(bytes) = answer(&buffer[..length]) else { break };
                    if stream.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
            });
        }
    })
}

#[test]
fn a_silent_database_ends_at_the_deadline() {
    in_namespace(|links| async move {
        pair(&links, "tap0", "t_c0").await;
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("db.sock");
        let server = fake(&socket, |_| Some(Vec::new())).await;
        let ovs = OpenVswitch::new(&socket).with_deadline(SHORT);
        let start = Instant::now();
        for error in [
            ovs.ensure_port(&port("br-int", "tap0")).await.unwrap_err(),
            ovs.delete_port("tap0").await.unwrap_err(),
            ovs.ports_of("kuryr").await.unwrap_err(),
            ovs.datapath_type("br-int").await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::OvsNoAnswer { .. }), "{error}");
            assert!(error.to_string().contains("silent"), "{error}");
        }
        assert!(start.elapsed() < SHORT * 6, "{:?}", start.elapsed());
        server.abort();
    });
}

#[test]
fn a_database_that_hangs_up_is_asked_again_until_the_deadline() {
    in_namespace(|_| async move {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("db.sock");
        let server = fake(&socket, |_| None).await;
        let error = OpenVswitch::new(&socket).with_deadline(SHORT).delete_port("tap0").await.unwrap_err();
        assert!(matches!(error, Error::OvsNoAnswer { .. }), "{error}");
        assert!(error.to_string().contains("closes the connection"), "{error}");
        server.abort();
    });
}

#[test]
fn malformed_answers_are_told_and_never_believed() {
    in_namespace(|_| async move {
        let answers: [Answer; 12] = [
            |_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            |_| Some(b"{\"id\":1,\"result\":\"yes\",\"error\":null}".to_vec()),
            |_| Some(b"{\"id\":7,\"result\":[],\"error\":null}".to_vec()),
            |_| Some(b"{\"id\":1,\"result\":[],\"error\":null}".to_vec()),
            |_| Some(b"{\"id\":1,\"result\":[{},{}],\"error\":null}".to_vec()),
            |_| Some(b"{\"id\":1,\"result\":[{\"rows\":3},{\"rows\":[]}],\"error\":null}".to_vec()),
            |_| Some(b"{\"id\":1,\"result\":[{\"rows\":[{}]},{\"rows\":[{}]}],\"error\":null}".to_vec()),
            |_| {
                Some(
                    br#"{"id":1,"result":[{"rows":[{"_uuid":"x","interfaces":["set",[1]]}]},{"rows":[]}]}"#
                        .to_vec(),
                )
            },
            |_| Some(b"{\"id\":1 \"result\"}".to_vec()),
            |_| Some(b"{\"id\":1,\"result\":[\xff\xfe]}".to_vec()),
            |_| Some(b"{}".to_vec()),
            |_| Some(b"]".to_vec()),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            let directory = tempfile::tempdir().unwrap();
            let socket = directory.path().join("db.sock");
            let server = fake(&socket, answer).await;
            let outcome = OpenVswitch::new(&socket).with_deadline(SHORT).delete_port("tap0").await;
            // An absent interface behind a port is a bond of others, which is refused as well.
            let error = outcome.unwrap_err();
            assert!(
                matches!(error, Error::OvsMalformed { .. } | Error::OvsForeign { .. }),
                "{number}: {error}"
            );
            server.abort();
        }
    });
}

#[test]
fn a_refusal_carries_the_databases_words() {
    in_namespace(|_| async move {
        let directory = tempfile::tempdir().unwrap();
        for (number, body) in [
            r#"{"id":1,"result":[{"rows":[]},{"error":"constraint violation","details":"too many"}],"error":null}"#,
            r#"{"id":1,"result":null,"error":{"error":"constraint violation","details":"too many"}}"#,
            r#"{"id":1,"result":null,"error":"constraint violation: too many"}"#,
        ]
        .into_iter()
        .enumerate()
        {
            let socket = directory.path().join(format!("{number}.sock"));
            let listener = UnixListener::bind(&socket).unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                stream.write_all(body.as_bytes()).await.unwrap();
                let _ = stream.read(&mut buffer).await;
            });
            let error = OpenVswitch::new(&socket).delete_port("tap0").await.unwrap_err();
            assert!(matches!(error, Error::OvsRefused { .. }), "{error}");
            assert!(error.to_string().contains("constraint violation: too many"), "{error}");
            server.await.unwrap();
        }
    });
}

#[test]
fn the_servers_question_whether_we_live_is_answered() {
    in_namespace(|_| async move {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("db.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            let before =
                br#"{"id":null,"method":"update","params":[]}{"id":"echo","method":"echo","params":[7]}"#;
            stream.write_all(before).await.unwrap();
            let length = stream.read(&mut buffer).await.unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&buffer[..length]).unwrap();
            assert_eq!(answer, serde_json::json!({"id": "echo", "result": [7], "error": null}));
            let reply = br#"{"id":1,"result":[{"rows":[]},{"rows":[]}],"error":null}"#;
            // In pieces, as a busy server may.
            for piece in reply.chunks(7) {
                stream.write_all(piece).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        OpenVswitch::new(&socket).delete_port("tap0").await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn a_socket_we_may_not_use_is_told_at_once() {
    in_namespace(|_| async move {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db.sock");
        std::fs::write(&file, "").unwrap();
        let error = OpenVswitch::new(file.join("below")).delete_port("tap0").await.unwrap_err();
        assert!(
            matches!(&error, Error::OvsAbsent { source, .. } if source.kind() == ErrorKind::NotADirectory),
            "{error}"
        );
    });
}
