//! A socket in the state directory for the operator: it tells what this process holds and takes requests.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::requests::Request;
use super::services::Services;
use super::volumes;
use crate::error::Error;

/// How long a client may take to ask, and to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request.
const LONGEST: u64 = 4096;

/// Where it is, for a state directory.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("status.sock")
}

/// One in every state directory, so that each plugin's is found with its own configuration alone.
pub(crate) fn bind(services: &Services) -> Result<Vec<Socket>, Error> {
    services.states.iter().map(|state| Socket::bind(path(state.path()))).collect()
}

/// The socket; its file goes with it.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Socket {
    fn bind(path: PathBuf) -> Result<Self, Error> {
        let failed = |action: &'static str| {
            let what = path.clone();
            move |source| Error::Io { action, what, source }
        };
        // The journal's lock is ours, so a socket that is still there was left by a process that died.
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed("remove")(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed("listen on"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed("protect"))?;
        Ok(Self { listener, path })
    }
}

pub(crate) async fn serve(socket: Socket, services: Services, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = socket.listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        tokio::spawn(converse(stream, services.clone()));
    }
}

async fn converse(mut stream: UnixStream, services: Services) {
    let (reader, _) = stream.split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST));
    if !matches!(tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await, Ok(Ok(_))) {
        return;
    }
    let answer = match line.trim() {
        "" => status(&services),
        text => match serde_json::from_str(text) {
            Ok(Request::Status {}) => status(&services),
            Ok(Request::Gc { dry_run }) => gc(&services, dry_run).await,
            Ok(Request::Volume { volume }) => return volumes::answer(stream, &services, volume).await,
            Err(error) => json!({"error": format!("cannot understand the request: {error}")}),
        },
    };
    let _ = tokio::time::timeout(PATIENCE, stream.write_all(answer.to_string().as_bytes())).await;
}

async fn gc(services: &Services, dry_run: bool) -> Value {
    let Some(service) = &services.network else {
        return json!({"error": "the network plugin is not served by this process"});
    };
    match service.collect_orphans(dry_run).await {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(error) => json!({"error": error.to_string()}),
    }
}

fn status(services: &Services) -> Value {
    let network = services.network.as_ref().map(|s| serde_json::to_value(s.status()).unwrap_or_default());
    let volume = services.volume.as_ref().map(|s| serde_json::to_value(s.status()).unwrap_or_default());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "network": network,
        "volume": volume,
    })
}
