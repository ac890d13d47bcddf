//! What may be asked on the status socket: one line of JSON, answered by one object. Whoever closes without a line, as
//! `nc -U` does, asks for the status.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// What the process holds.
    Status {},
    /// Look for orphans and remove those that are ours.
    Gc {
        /// Only look.
        dry_run: bool,
    },
}

/// Asks and waits for the whole answer, `patience` without a sign of life.
///
/// # Errors
/// Why there is no answer, in one line.
pub(crate) fn ask(socket: &Path, request: Request, patience: Duration) -> Result<Map<String, Value>, String> {
    let talk = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        stream.shutdown(Shutdown::Write)?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = talk().map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| format!("its answer is not understood: {e}"))
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
