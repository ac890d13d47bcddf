//! Peers that may not or do not speak as Docker does: each is told in the log, and Docker is served all the while.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::http;
use crate::peer::Identity;
use crate::rig::PATIENCE;
use crate::tls::Served;

impl Served {
    fn docker_is_served(&self) {
        let dir = self.dir();
        let client = Identity::of(&dir, "client");
        for (address, plugin) in self.addresses.into_iter().zip(["kuryr", "fuxi"]) {
            let answer = client.activate(&dir.join("ca.pem"), address).unwrap();
            assert!(answer.contains("Implements"), "{answer}");
            let stream = UnixStream::connect(self.rig.socket(plugin)).unwrap();
            assert_eq!(http::call(stream, "/Plugin.Activate", "").0, 200);
        }
    }

    /// Waits for a line that says all this, `count` times.
    fn until_logged(&mut self, words: &[&str], count: usize) {
        let log = self.rig.path("log");
        self.running.until(&format!("{count} lines with {words:?}"), || {
            let text = std::fs::read_to_string(&log).unwrap();
            text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count() >= count
        });
    }
}

#[test]
fn a_client_without_the_right_certificate_is_told_apart_in_the_log() {
    let mut served = Served::new();
    let dir = served.dir();
    let ca = dir.join("ca.pem");
    let foreign = Identity::make(&dir, "foreign", true, 2999);
    let expired = Identity::make(&dir, "expired", false, 2001);
    let valid = Identity::make(&dir, "valid", false, 2999);
    for (plugin, address) in ["kuryr", "fuxi"].into_iter().zip(served.addresses) {
        // The three differ in nothing but what they are about.
        assert!(valid.activate(&ca, address).unwrap().contains("Implements"));
        for (identity, words) in [
            (&Identity::nobody(), "shows no client certificate"),
            (&foreign, "is of an authority that is not admitted"),
            (&expired, "has expired"),
        ] {
            assert!(identity.activate(&ca, address).is_err(), "{words}");
            served.until_logged(&["WARN", "tls handshake failed", plugin, words, "127.0.0.1:"], 1);
        }
        // A Docker whose CAFile is another authority's.
        let other = served.rig.path(&format!("{plugin}-other"));
        assert_eq!(served.rig.run(&["tls", "init", "--dir", &other.to_string_lossy()]).code, Some(0));
        assert!(Identity::of(&dir, "client").activate(&other.join("ca.pem"), address).is_err());
        served.until_logged(&["WARN", plugin, "refuses our certificate"], 1);
    }
    served.docker_is_served();
}

#[test]
fn plain_http_and_garbage_on_the_tls_port_are_told_and_get_no_answer() {
    let mut served = Served::new();
    for (plugin, address) in ["kuryr", "fuxi"].into_iter().zip(served.addresses) {
        for bytes in
            [&b"POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"[..], &[0xA5; 4096]]
        {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(bytes).unwrap();
            assert!(!rest(stream).contains("Implements"));
        }
        served.until_logged(&["WARN", plugin, "does not speak tls", "https://"], 2);
    }
    served.docker_is_served();
}

#[test]
fn garbage_endless_heads_and_half_requests_are_cut_off_on_every_socket() {
    let mut served = Served::new();
    let dir = served.dir();
    let long = format!("POST /Plugin.Activate HTTP/1.1\r\nX: {}", "x".repeat(100 << 10));
    // All of them at once: whoever is silent is cut off after 5 and 10 seconds, and holds up nobody meanwhile.
    let mut silent: Vec<Box<dyn Half>> = Vec::new();
    for (plugin, address) in ["kuryr", "fuxi"].into_iter().zip(served.addresses) {
        let unix = || UnixStream::connect(served.rig.socket(plugin)).unwrap();
        let tls = || Identity::of(&dir, "client").connect(&dir.join("ca.pem"), address);
        for (bytes, _) in [(&[0xA5; 512][..], "garbage"), (long.as_bytes(), "long")] {
            let mut stream = unix();
            // It may be cut off while it still sends.
            let _ = stream.write_all(bytes);
            assert!(!rest(stream).contains("Implements"));
            let mut stream = tls();
            let _ = stream.write_all(bytes);
            assert!(!rest(stream).contains("Implements"));
        }
        // Connected and silent, half a head, half a handshake.
        silent.push(Box::new(unix()));
        silent.push(Box::new(TcpStream::connect(address).unwrap()));
        let mut half = unix();
        half.write_all(b"POST /Plugin.Act").unwrap();
        silent.push(Box::new(half));
        let mut half = tls();
        half.write_all(b"POST /Plugin.Act").unwrap();
        half.flush().unwrap();
        silent.push(Box::new(half));
        let mut half = TcpStream::connect(address).unwrap();
        half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
        silent.push(Box::new(half));
    }
    served.docker_is_served();
    for plugin in ["kuryr", "fuxi"] {
        served.until_logged(&["WARN", plugin, "no http request"], 2);
        served.until_logged(&["WARN", plugin, "head of a request is too long"], 2);
    }
    for mut half in silent {
        half.read_to_the_end();
    }
    for plugin in ["kuryr", "fuxi"] {
        served.until_logged(&["WARN", plugin, "did not arrive in time"], 2);
        served.until_logged(&["WARN", plugin, "tls handshake did not end in time"], 2);
    }
    served.docker_is_served();
}

/// A connection whose other end waits for more.
trait Half {
    /// Reads until it is closed; fails if that does not happen.
    fn read_to_the_end(&mut self);
}

impl<S: Read> Half for S {
    fn read_to_the_end(&mut self) {
        let started = std::time::Instant::now();
        let _ = self.read_to_end(&mut Vec::new());
        assert!(started.elapsed() < PATIENCE - Duration::from_secs(1), "it was never closed");
    }
}

/// What comes until the end.
fn rest(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
