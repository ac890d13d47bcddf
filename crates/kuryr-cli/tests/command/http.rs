//! Requests as Docker sends them.

use std::io::{Read, Write};

use serde_json::Value;

use crate::rig::PATIENCE;

/// Something that speaks HTTP: a unix or a TCP stream.
pub(crate) trait Stream: Read + Write {
    fn patient(&self);
}

impl Stream for std::os::unix::net::UnixStream {
    fn patient(&self) {
        self.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}

impl Stream for std::net::TcpStream {
    fn patient(&self) {
        self.set_read_timeout(Some(PATIENCE)).unwrap();
    }
}

pub(crate) fn send(stream: &mut impl Stream, method: &str, path: &str, body: &str) {
    stream.patient();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
}

/// Status and body; the server closes.
pub(crate) fn receive(stream: &mut impl Stream) -> (u16, Value) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let status = text.split_whitespace().nth(1).and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no answer: `{text}`"));
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(crate) fn call(mut stream: impl Stream, path: &str, body: &str) -> (u16, Value) {
    send(&mut stream, "POST", path, body);
    receive(&mut stream)
}
