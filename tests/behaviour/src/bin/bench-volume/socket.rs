//! The plugin's socket, spoken to as the engine speaks to it: one connection, kept.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection.
#[derive(Debug)]
pub(crate) struct Plugin(UnixStream);

impl Plugin {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("the plugin does not listen")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// A request of the volume protocol; the answer, and milliseconds until it was there as a whole.
    pub(crate) fn ask(&mut self, method: &str, body: &Value) -> Result<(Value, f64)> {
        let body = body.to_string();
        let request = format!(
            "POST /VolumeDriver.{method} HTTP/1.1\r\nHost: \r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = Instant::now();
        self.0.write_all(request.as_bytes())?;
        let (head, bytes) = self.answer()?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let text = String::from_utf8_lossy(&bytes);
        if !head.starts_with("HTTP/1.1 200") {
            bail!("{method}: {} {text}", head.lines().next().unwrap_or_default());
        }
        let answer: Value = serde_json::from_str(&text).with_context(|| format!("{method}: {text}"))?;
        match answer.get("Err").and_then(Value::as_str) {
            Some(error) if !error.is_empty() => bail!("{method}: {error}"),
            _ => Ok((answer, took)),
        }
    }

    /// The same about one volume.
    pub(crate) fn ask_of(&mut self, method: &str, name: &str) -> Result<f64> {
        Ok(self.ask(method, &json!({"Name": name}))?.1)
    }

    fn answer(&mut self) -> Result<(String, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut part = vec![0; 1 << 16];
        loop {
            let read = self.0.read(&mut part)?;
            if read == 0 {
                bail!("the plugin closed the connection");
            }
            bytes.extend_from_slice(part.get(..read).unwrap_or_default());
            let Some(end) = bytes.windows(4).take(4096).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
            let length = head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let length = length.context("an answer without length")?;
            let mut body = bytes.split_off(end + 4);
            let missing = length.saturating_sub(body.len());
            let at = body.len();
            body.resize(at + missing, 0);
            self.0.read_exact(body.get_mut(at..).unwrap_or_default())?;
            return Ok((head, body));
        }
    }
}
