//! What may be asked on the status socket: one line of JSON, answered by one object. Whoever closes without a line, as
//! `nc -U` does, asks for the status.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// What the process holds.
    Status {},
    /// Look for orphans and remove those that are ours.
    Gc {
        /// Only look.
        dry_run: bool,
    },
    /// Do something to a volume. Answered by lines: any number of `{"progress": "..."}`, then `{"done": ...}` or
    /// `{"error": "..."}`.
    Volume {
        /// What.
        volume: VolumeRequest,
    },
}

/// What may be done to volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum VolumeRequest {
    /// All with our mark.
    List {},
    /// One, in detail.
    Show { name: String },
    /// Make or adopt one, as `docker volume create` does.
    Create { name: String, options: BTreeMap<String, String> },
    /// Make a copy of one.
    Clone { source: String, name: String, options: BTreeMap<String, String> },
    /// Take a snapshot.
    Snapshot { name: String, snapshot: String },
    /// List snapshots.
    Snapshots { name: String },
    /// Grow one to so many GiB.
    Extend { name: String, size: u64 },
    /// Unmount and detach one from this host.
    Detach { name: String },
    /// Who else has it.
    Holders { name: String },
    /// End the attachment of a dead host.
    Fence { name: String, attachment: String },
}

impl VolumeRequest {
    /// The volume that is worked on.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::List {} => "",
            Self::Show { name }
            | Self::Create { name, .. }
            | Self::Clone { name, .. }
            | Self::Snapshot { name, .. }
            | Self::Snapshots { name }
            | Self::Extend { name, .. }
            | Self::Detach { name }
            | Self::Holders { name }
            | Self::Fence { name, .. } => name,
        }
    }
}

/// Asks and waits for the whole answer, `patience` without a sign of life.
///
/// # Errors
/// Why there is no answer, in one line.
pub(crate) fn ask(
    socket: &Path,
    request: &Request,
    patience: Duration,
) -> Result<Map<String, Value>, String> {
    let talk = || -> std::io::Result<String> {
        let mut text = String::new();
        send(socket, request, patience)?.read_to_string(&mut text)?;
        Ok(text)
    };
    understand(&talk().map_err(|e| e.to_string())?)
}

/// Asks for something that takes its time, and passes on what is being done. The last line of the answer.
///
/// # Errors
/// Why there is no answer, in one line.
pub(crate) fn follow(
    socket: &Path,
    request: &Request,
    patience: Duration,
    mut progress: impl FnMut(&str),
) -> Result<Map<String, Value>, String> {
    let stream = send(socket, request, patience).map_err(|e| e.to_string())?;
    for line in BufReader::new(stream).lines() {
        let answer = understand(&line.map_err(|e| e.to_string())?)?;
        match answer.get("progress").and_then(Value::as_str) {
            Some(text) => progress(text),
            None => return Ok(answer),
        }
    }
    Err("it ended before it was done; look at its log and repeat the command".to_owned())
}

fn send(socket: &Path, request: &Request, patience: Duration) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.shutdown(Shutdown::Write)?;
    Ok(stream)
}

fn understand(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|e| format!("its answer is not understood: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_lines_of_json() {
        let text = serde_json::to_string(&Request::Gc { dry_run: true }).unwrap();
        assert_eq!(text, r#"{"request":"gc","dry_run":true}"#);
        assert_eq!(serde_json::from_str::<Request>(r#"{"request":"status"}"#).unwrap(), Request::Status {});
        assert!(serde_json::from_str::<Request>(r#"{"request":"gc"}"#).is_err());
    }
}
