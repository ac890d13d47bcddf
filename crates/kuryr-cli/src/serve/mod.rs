//! `kuryr serve`, from start to end.

mod listeners;
pub(crate) mod logging;
mod services;
mod status_socket;

use docker_plugin::server::{self, ServerOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) use status_socket::path as status_path;

use crate::arguments::ServeArguments;
use crate::error::Error;
use crate::settings;

/// Runs until a signal says to end; then finishes what runs.
pub(crate) async fn run(args: ServeArguments) -> Result<(), Error> {
    let configuration = settings::load(&args.sources, args.only)?;
    logging::start(&configuration.logging)?;
    // The journal is locked before a socket is touched: a second process must not take the first one's away.
    let services = services::open(&configuration)?;
    let plugins = services.plugins(&configuration);
    let served = listeners::bind(plugins, &configuration, &args)?;
    let status = status_socket::bind(&services)?;

    let stop = CancellationToken::new();
    let servers: Vec<_> = served
        .into_iter()
        .map(|(plugin, listeners)| {
            tokio::spawn(server::serve(plugin, listeners, ServerOptions::default(), stop.clone()))
        })
        .collect();
    let status =
        status.map(|listener| tokio::spawn(status_socket::serve(listener, services.clone(), stop.clone())));
    // Docker is served before the cloud answers: a dead cloud must not hold up the start of every container.
    let recovery = tokio::spawn(services.clone().recover());
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");

    wait_for_the_end().await?;
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    recovery.abort();
    for server in servers {
        match server.await {
            Ok(Ok(drained)) if drained.unfinished > 0 => {
                tracing::warn!(
                    calls = drained.unfinished,
                    "ended with calls running; the next start finishes them"
                );
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(error) => tracing::error!(%error, "a server died"),
        }
    }
    if let Some(status) = status {
        let _ = status.await;
    }
    tracing::info!("ended");
    Ok(())
}

async fn wait_for_the_end() -> Result<(), Error> {
    let handler =
        |kind| signal(kind).map_err(|source| Error::Io { action: "handle", what: "signals".into(), source });
    let (mut term, mut int) = (handler(SignalKind::terminate())?, handler(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => tracing::info!("asked to end, finishing what runs"),
        _ = int.recv() => tracing::info!("interrupted, finishing what runs"),
    }
    Ok(())
}
