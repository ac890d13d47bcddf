//! `kuryr devcloud`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use devcloud::bridges::Bridges;
use devcloud::gluster_shares::{GlusterOptions, GlusterShares};
use devcloud::loop_volumes::LoopVolumes;
use devcloud::upstream::{UpstreamFront, UpstreamOptions};
use devcloud::{DevCloud, Options};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    let stop = Stop::new()?;
    match &args.dir {
        Some(dir) if args.upstreams.is_empty() => cloud(dir, &args, stop).await,
        _ => front(args, stop).await,
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Devcloud(error.to_string())
}

/// Before services that run somewhere else.
async fn front(args: DevcloudArguments, stop: Stop) -> Result<(), Error> {
    let options = UpstreamOptions { listen: args.listen, upstreams: args.upstreams, latency: Duration::ZERO };
    let running = UpstreamFront::start(options).await.map_err(|e| failed(&e))?;
    output::line(format_args!("OS_AUTH_URL={}", running.auth_url));
    stop.asked().await;
    running.stop().await;
    Ok(())
}

/// All services in this process.
async fn cloud(dir: &Path, args: &DevcloudArguments, stop: Stop) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(|source| Error::Io {
        action: "create",
        what: dir.to_owned(),
        source,
    })?;
    // Bricks are named by absolute paths.
    let dir = &dir.canonicalize().map_err(|source| Error::Io {
        action: "resolve",
        what: dir.to_owned(),
        source,
    })?;
    let mut options = Options::new(args.listen);
    options.state_file = Some(dir.join("state.json"));
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
        options.volume_path = Some(Arc::new(LoopVolumes::open(volume_dir(dir)).map_err(|e| failed(&e))?));
        bridges = Some(opened);
        if let Some(home) = &args.gluster {
            let gluster = GlusterOptions {
                dir: dir.join("shares"),
                socket: home.join("glusterd.sock"),
                brick_logs: home.join("log/bricks"),
                addresses: args.gluster_addresses.clone(),
            };
            let shares = GlusterShares::open(gluster).await.map_err(|e| failed(&e))?;
            options.share_export = Some(Arc::new(shares));
        }
    }
    let running = DevCloud::start(options).await.map_err(|e| failed(&e))?;
    output::line(format_args!("OS_AUTH_URL={}", running.auth_url));
    stop.asked().await;
    running.stop().await.map_err(|e| failed(&e))?;
    // Otherwise ports and volumes stay as they are: a restart on the same directory finds them.
    if let Some(bridges) = bridges.filter(|_| args.remove_bridges) {
        bridges.close().await.map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// The signals that end the command. Listened for from the start, so that none is missed.
struct Stop {
    term: Signal,
    int: Signal,
}

impl Stop {
    fn new() -> Result<Self, Error> {
        let handler = |kind| {
            signal(kind).map_err(|source| Error::Io { action: "handle", what: "signals".into(), source })
        };
        Ok(Self { term: handler(SignalKind::terminate())?, int: handler(SignalKind::interrupt())? })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
