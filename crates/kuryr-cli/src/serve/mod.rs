//! `kuryr serve`, from start to end.

mod carrier;
mod listeners;
pub(crate) mod logging;
mod machine;
mod manager;
pub(crate) mod requests;
pub(crate) mod services;
mod status_socket;
mod volumes;

use docker_plugin::server::{self, Certificates, Drained, ServerOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) use status_socket::path as status_path;

use crate::arguments::ServeArguments;
use crate::error::Error;
use crate::settings;

/// Runs until a signal says to end; then finishes what runs.
pub(crate) async fn run(args: ServeArguments) -> Result<(), Error> {
    let configuration = settings::load(&args.sources, args.only)?;
    if let Some(reason) = configuration.unserved.first() {
        return Err(Error::Setting(reason.clone()));
    }
    // From here on a signal ends us in order, however early it comes.
    let mut signals = Signals::listen()?;
    logging::start(&configuration.logging)?;
    // The journal is locked before a socket is touched: a second process must not take the first one's away.
    let services = services::open(&configuration)?;
    let plugins = services.plugins(&configuration, args.as_one.as_deref());
    let served = listeners::bind(plugins, &configuration, &args)?;
    let stop = CancellationToken::new();
    let mut reporters = JoinSet::new();
    for socket in status_socket::bind(&services)? {
        reporters.spawn(status_socket::serve(socket, services.clone(), stop.clone()));
    }
    let names: Vec<String> = served.iter().map(|(plugin, _)| plugin.name().to_owned()).collect();
    let certificates = listeners::certificates(&served);
    let mut servers = JoinSet::new();
    for (plugin, listeners) in served {
        servers.spawn(server::serve(plugin, listeners, ServerOptions::default(), stop.clone()));
    }
    // Docker is served before the cloud answers: a dead cloud must not hold up the start of every container.
    let recovery = tokio::spawn(services.clone().recover());
    manager::ready(&names);
    let watchdog = tokio::spawn(manager::watchdog());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");

    // A server ends by itself only when it cannot serve; half a service would go unnoticed for long.
    let mut outcome = tokio::select! {
        () = signals.end(|| reload(&names, &certificates)) => Ok(()),
        Some(ended) = servers.join_next() => ended_server(ended),
        lost = services.clone().find_itself() => Err(lost),
    };
    manager::stopping();
    stop.cancel();
    // What recovery left is in the journal, for the next start.
    recovery.abort();
    while let Some(ended) = servers.join_next().await {
        outcome = outcome.and(ended_server(ended));
    }
    reporters.join_all().await;
    // To the last: a request that is being finished may take longer than the manager's patience.
    watchdog.abort();
    tracing::info!("ended");
    outcome
}

fn ended_server(ended: Result<docker_plugin::Result<Drained>, JoinError>) -> Result<(), Error> {
    match ended {
        Ok(Ok(Drained { unfinished: 0 })) => Ok(()),
        Ok(Ok(Drained { unfinished })) => {
            tracing::warn!(calls = unfinished, "ended with calls running; the next start finishes them");
            Ok(())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(error) => Err(Error::Died { reason: error.to_string() }),
    }
}

/// Reads again what can be without an end of what runs.
fn reload(plugins: &[String], certificates: &[Certificates]) {
    tracing::info!("asked to read certificates again; options are read at the next start");
    manager::reloading();
    certificates.iter().for_each(Certificates::refresh);
    manager::ready(plugins);
}

/// The signals that mean something to us.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        let handler = |kind| {
            signal(kind).map_err(|source| Error::Io { action: "handle", what: "signals".into(), source })
        };
        Ok(Self {
            term: handler(SignalKind::terminate())?,
            int: handler(SignalKind::interrupt())?,
            hup: handler(SignalKind::hangup())?,
        })
    }

    /// Waits for one that ends us; calls `reload` at each that asks for it.
    async fn end(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return tracing::info!("asked to end, finishing what runs"),
                _ = self.int.recv() => return tracing::info!("interrupted, finishing what runs"),
                _ = self.hup.recv() => reload(),
            }
        }
    }
}
