//! One connection to ovsdb-server: JSON-RPC 1.0 over a Unix socket (RFC 7047, section 4).

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::failure::Failure;
use super::message::{Found, Scanner};

/// The database of Open vSwitch's configuration (ovs-vswitchd.conf.db(5)).
const DATABASE: &str = "Open_vSwitch";
/// Bytes of one message. A listing of ten thousand ports is about 4 MiB.
const LARGEST: usize = 64 << 20;

pub(super) struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, Failure> {
        match UnixStream::connect(socket).await {
            Ok(stream) => Ok(Self { stream, buffer: Vec::new() }),
            Err(error) => Err(Failure::Unreachable(error)),
        }
    }

    /// Runs operations as one transaction; their results in order.
    pub(super) async fn transact(&mut self, operations: Vec<Value>) -> Result<Vec<Value>, Failure> {
        let count = operations.len();
        let mut parameters = vec![json!(DATABASE)];
        parameters.extend(operations);
        let request = json!({"id": 1, "method": "transact", "params": parameters});
        self.send(&request).await?;
        let mut reply = loop {
            let message = self.receive().await?;
            match message.get("method").and_then(Value::as_str) {
                // The server asks whether we are still there (RFC 7047, 4.1.11).
                Some("echo") => {
                    let (id, parameters) = (message.get("id"), message.get("params"));
                    self.send(&json!({"id": id, "result": parameters, "error": null})).await?;
                }
                // Nothing else is asked for.
                Some(_) => {}
                None => break message,
            }
        };
        if reply.get("id") != Some(&json!(1)) {
            return Err(Failure::malformed("an answer to a request that was not made"));
        }
        match reply.get("error") {
            None | Some(Value::Null) => {}
            Some(error) => return Err(Failure::Refused(said(error))),
        }
        let Some(Value::Array(results)) = reply.get_mut("result").map(Value::take) else {
            return Err(Failure::malformed("an answer without results"));
        };
        for result in &results {
            match result.get("error").map(|error| error.as_str().unwrap_or_default()) {
                None => {}
                Some("timed out") => return Err(Failure::WaitTimedOut),
                Some(_) => return Err(Failure::Refused(said(result))),
            }
        }
        if results.len() < count {
            return Err(Failure::malformed("fewer results than operations"));
        }
        Ok(results)
    }

    async fn send(&mut self, message: &Value) -> Result<(), Failure> {
        self.stream.write_all(message.to_string().as_bytes()).await.map_err(Failure::Lost)
    }

    async fn receive(&mut self) -> Result<Value, Failure> {
        let mut scanner = Scanner::default();
        loop {
            match scanner.scan(&self.buffer) {
                Found::Whole(length) => {
                    let message: Vec<u8> = self.buffer.drain(..length).collect();
                    return serde_json::from_slice(&message)
                        .map_err(|error| Failure::Malformed(error.to_string()));
                }
                Found::NoObject => return Err(Failure::malformed("something that is not JSON-RPC")),
                Found::Part if self.buffer.len() > LARGEST => {
                    return Err(Failure::malformed("an answer of more than 64 MiB"));
                }
                Found::Part => {}
            }
            if self.stream.read_buf(&mut self.buffer).await.map_err(Failure::Lost)? == 0 {
                return Err(Failure::Lost(io::Error::from(io::ErrorKind::UnexpectedEof)));
            }
        }
    }
}

/// The server's words: an error's name, and its details where it gives any.
fn said(error: &Value) -> String {
    let text = |name| error.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("error"), text("details")) {
        (Some(error), Some(details)) => format!("{error}: {details}"),
        (Some(error), None) => error.to_owned(),
        _ => error.as_str().map_or_else(|| error.to_string(), str::to_owned),
    }
}
