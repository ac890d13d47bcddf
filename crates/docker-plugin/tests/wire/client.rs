//! A client that sends exactly the bytes it is told to.

use std::{fmt::Write as _, io, path::Path, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UnixStream,
};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The header set of Docker 25 and later; the length is put in place of `None`.
pub(crate) const DOCKER: &[(&str, Option<&str>)] = &[
    ("Host", Some("plugin.moby.localhost")),
    ("User-Agent", Some("Go-http-client/1.1")),
    ("Content-Length", None),
    ("Accept", Some("application/vnd.docker.plugins.v1.2+json")),
];

pub(crate) struct Client<S> {
    stream: S,
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of an error, having checked that it is in the form every daemon reads.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        let text = json["Err"].as_str().unwrap_or_else(|| panic!("no Err: {json}"));
        assert_eq!(json["Error"].as_str(), Some(text), "Err and Error differ");
        assert!(!text.is_empty() && !text.contains('\n'), "not one line: {text:?}");
        text.to_owned()
    }
}

pub(crate) fn request(path: &str, headers: &[(&str, Option<&str>)], body: &str) -> Vec<u8> {
    request_by("POST", path, headers, body)
}

pub(crate) fn request_by(method: &str, path: &str, headers: &[(&str, Option<&str>)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        match value {
            Some(value) => write!(text, "{name}: {value}\r\n").unwrap(),
            None => write!(text, "{name}: {}\r\n", body.len()).unwrap(),
        }
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

impl Client<UnixStream> {
    pub(crate) async fn unix(path: &Path) -> Self {
        Self::new(UnixStream::connect(path).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The next answer; `None` if the connection was closed without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.read_answer()).await.expect("no answer and no close in time")
    }

    /// The status of what may be an answer in any form; `None` if the connection was closed or reset without one.
    pub(crate) async fn try_answer(&mut self) -> Option<u16> {
        while self.read_more().await {}
        let text = String::from_utf8_lossy(&self.received).into_owned();
        text.split(' ').nth(1).and_then(|status| status.parse().ok())
    }

    /// A call in Docker's own form.
    pub(crate) async fn call(&mut self, path: &str, body: &str) -> Answer {
        self.send(&request(path, DOCKER, body)).await;
        self.answer().await.expect("closed without an answer")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.read_more().await {
                assert!(self.received.is_empty(), "closed in the middle of an answer");
                return None;
            }
        };
        let head = String::from_utf8(self.received.drain(..end).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length: usize = answer.header("content-length").expect("no Content-Length").parse().unwrap();
        while self.received.len() < length {
            assert!(self.read_more().await, "closed in the middle of a body");
        }
        answer.body = self.received.drain(..length).collect();
        Some(answer)
    }

    async fn read_more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                true
            }
        }
    }
}
