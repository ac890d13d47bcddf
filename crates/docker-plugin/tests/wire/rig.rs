//! A served plugin for one test.

use std::{path::PathBuf, sync::Arc};

use docker_plugin::{
    Plugin, PluginBuilder,
    server::{self, Drained, Listener, ServerOptions, UnixSocketOptions},
};
use tempfile::TempDir;
use tokio::{net::UnixStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Client,
    drivers::{Recorder, Recording},
};

pub(crate) struct Rig {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) socket: PathBuf,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<docker_plugin::Result<Drained>>,
    _directory: TempDir,
}

/// All three drivers in one plugin.
pub(crate) fn plugin(recorder: &Arc<Recorder>) -> PluginBuilder {
    let driver = Arc::new(Recording(recorder.clone()));
    Plugin::builder("rig").network(driver.clone()).ipam(driver.clone()).volume(driver)
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(|plugin| plugin, ServerOptions::default())
    }

    pub(crate) fn with(adapt: impl FnOnce(PluginBuilder) -> PluginBuilder, options: ServerOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("rig.sock");
        let recorder = Arc::new(Recorder::default());
        let listener = Listener::unix(&socket, &UnixSocketOptions::default()).unwrap();
        let stop = CancellationToken::new();
        let plugin = adapt(plugin(&recorder)).build();
        let server = tokio::spawn(server::serve(plugin, vec![listener], options, stop.clone()));
        Self { recorder, socket, stop, server, _directory: directory }
    }

    pub(crate) async fn client(&self) -> Client<UnixStream> {
        Client::unix(&self.socket).await
    }

    pub(crate) async fn stop(self) -> Drained {
        self.stop.cancel();
        self.server.await.unwrap().unwrap()
    }
}
