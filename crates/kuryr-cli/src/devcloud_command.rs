//! `kuryr devcloud`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use devcloud::bridges::Bridges;
use devcloud::loop_volumes::LoopVolumes;
use devcloud::{DevCloud, Options};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::DevcloudArguments;
use crate::error::Error;
use crate::output;
use crate::serve::logging;
use crate::settings::Logging;

/// Of every user of the development cloud.
pub(crate) const PASSWORD: &str = "secret";

/// Where volumes lie below the cloud's directory.
pub(crate) fn volume_dir(dir: &Path) -> PathBuf {
    dir.join("volumes")
}

pub(crate) async fn run(args: DevcloudArguments) -> Result<(), Error> {
    logging::start(&Logging::default())?;
    let failed = |e: &dyn std::fmt::Display| Error::Devcloud(e.to_string());
    std::fs::create_dir_all(&args.dir).map_err(|source| Error::Io {
        action: "create",
        what: args.dir.clone(),
        source,
    })?;
    let mut options = Options::new(args.listen);
    options.state_file = Some(args.dir.join("state.json"));
    // Nothing to protect: whoever reaches the loopback interface is the operator here.
    options.admin_password = PASSWORD.to_owned();
    options.demo_password = PASSWORD.to_owned();
    // Container hosts use a service user that may bind ports; here that is the tenant itself.
    options.demo_is_admin = true;
    let mut bridges = None;
    if !args.no_data_path {
        let links = host_net::Links::open().map_err(|e| Error::Netlink(e.to_string()))?;
        // One cloud per address and namespace, so the port tells clouds apart.
        let opened = Bridges::open(links, &args.listen.port().to_string()).await.map_err(|e| failed(&e))?;
        options.network_path = Some(opened.clone());
        options.volume_path =
            Some(Arc::new(LoopVolumes::open(volume_dir(&args.dir)).map_err(|e| failed(&e))?));
        bridges = Some(opened);
    }
    let handler =
        |kind| signal(kind).map_err(|source| Error::Io { action: "handle", what: "signals".into(), source });
    let (mut term, mut int) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    let running = DevCloud::start(options).await.map_err(|e| failed(&e))?;
    output::line(format_args!("OS_AUTH_URL={}", running.auth_url));
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    running.stop().await.map_err(|e| failed(&e))?;
    // Otherwise ports and volumes stay as they are: a restart on the same directory finds them.
    if let Some(bridges) = bridges.filter(|_| args.remove_bridges) {
        bridges.close().await.map_err(|e| failed(&e))?;
    }
    Ok(())
}
