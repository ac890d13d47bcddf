//! A socket in the state directory that tells whoever connects what this process holds.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::services::Services;
use crate::error::Error;

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
        let Ok((mut stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let text = report(&services).to_string();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.write_all(text.as_bytes())).await;
        });
    }
}

fn report(services: &Services) -> Value {
    let network = services.network.as_ref().map(|s| serde_json::to_value(s.status()).unwrap_or_default());
    let volume = services.volume.as_ref().map(|s| serde_json::to_value(s.status()).unwrap_or_default());
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "network": network,
        "volume": volume,
    })
}
