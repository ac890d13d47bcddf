//! Docker plugin protocols (NetworkDriver, IpamDriver, VolumeDriver) as traits, typed messages and servers.
//!
//! Implement one or more of [`NetworkDriver`], [`IpamDriver`] and [`VolumeDriver`], put them into a [`Plugin`] and
//! [`serve`](server::serve) it on unix sockets, TCP, TLS or sockets inherited from systemd. Docker 20.10 to 29 and
//! Podman (volumes) are understood, with what is peculiar to each.
//!
//! ```
//! use std::sync::Arc;
//! use docker_plugin::{
//!     Plugin, PluginError,
//!     server::{self, Listener, ServerOptions, UnixSocketOptions},
//!     volume::{CreateRequest, Lookup, MountRequest, NameRequest, Volume, VolumeDriver},
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! /// A driver that knows no volume at all.
//! struct Empty;
//!
//! #[async_trait::async_trait]
//! impl VolumeDriver for Empty {
//!     async fn create(&self, request: CreateRequest) -> Result<(), PluginError> {
//!         Err(PluginError::new(format!("cannot create volume {}: this driver only shows how", request.name)))
//!     }
//!     async fn get(&self, request: NameRequest) -> Lookup {
//!         Lookup::NotFound(PluginError::new(format!("no volume {}", request.name)))
//!     }
//!     async fn list(&self) -> Result<Vec<Volume>, PluginError> {
//!         Ok(Vec::new())
//!     }
//!     async fn path(&self, _: NameRequest) -> Result<Option<String>, PluginError> {
//!         Ok(None)
//!     }
//!     async fn mount(&self, request: MountRequest) -> Result<String, PluginError> {
//!         Err(PluginError::new(format!("no volume {}", request.name)))
//!     }
//!     async fn unmount(&self, _: MountRequest) -> Result<(), PluginError> {
//!         Ok(())
//!     }
//!     async fn remove(&self, _: NameRequest) -> Result<(), PluginError> {
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("empty.sock");
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let plugin = Plugin::builder("empty").volume(Arc::new(Empty)).build();
//! // Under `/run/docker/plugins` Docker finds it by the name of the file.
//! let listener = Listener::unix(&path, &UnixSocketOptions::default())?;
//! let stop = CancellationToken::new();
//! let server = tokio::spawn(server::serve(plugin, vec![listener], ServerOptions::default(), stop.clone()));
//! stop.cancel();
//! assert_eq!(server.await??.unfinished, 0);
//! assert!(!path.exists());
//! # Ok(()) })
//! # }
//! ```
//!
//! What the service does beyond routing, because daemons in the field need it:
//!
//! * Bodies are read whatever their `Content-Type` (Docker sends none) and whatever the `Host` (Docker 20.10 sends an
//!   empty one); methods without arguments need no body; keys may be missing, `null` or unknown.
//! * A success is 200 with a JSON object, a refusal 500 with the text under both `Err` and `Error`; 404 only for
//!   methods that the plugin does not have.
//! * A call runs to its end even if its client goes away, and a panic in it costs nothing but its answer.
//! * `VolumeDriver.Get` is the exception to "always answer": any error in answer to it makes Docker forget the
//!   volume's labels and options, so a request that is unreadable, or whose driver panicked, or does not know
//!   ([`volume::Lookup::Unknown`]), gets no answer, which Docker takes for an outage.

mod body;
pub mod discovery;
mod dispatch;
mod error;
pub mod ipam;
mod lenient;
mod mac;
pub mod network;
pub mod options;
mod plugin;
mod reply;
mod scope;
pub mod server;
pub mod volume;

pub use self::{
    error::{Error, PluginError, Result},
    ipam::IpamDriver,
    mac::MacAddress,
    network::NetworkDriver,
    options::Options,
    plugin::{NoAnswer, Plugin, PluginBuilder},
    scope::Scope,
    volume::VolumeDriver,
};
