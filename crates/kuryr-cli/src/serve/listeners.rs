//! Where the plugins listen: sockets that the service manager passed, else files in Docker's plugin directory, and TCP
//! where the configuration asks for it.

use docker_plugin::Plugin;
use docker_plugin::server::{
    ActivatedSocket, Certificates, Listener, OpenTcp, UnixSocketOptions, activated_sockets,
};

use crate::arguments::ServeArguments;
use crate::error::Error;
use crate::settings::Configuration;

/// A plugin with what it listens on.
pub(crate) type Served = (Plugin, Vec<Listener>);

pub(crate) fn bind(
    plugins: Vec<Plugin>,
    configuration: &Configuration,
    args: &ServeArguments,
) -> Result<Vec<Served>, Error> {
    let open = if args.insecure_tcp { OpenTcp::Anybody } else { OpenTcp::LoopbackOnly };
    let mut passed = activated_sockets()?;
    let mut served = Vec::new();
    for plugin in plugins {
        let mut listeners = Vec::new();
        // `FileDescriptorName=` names the plugin; systemd's default is the unit's name, `kuryr.socket`.
        let ours = |name: &str| name == plugin.name() || name.strip_suffix(".socket") == Some(plugin.name());
        let (mine, others): (Vec<_>, Vec<_>) = passed.into_iter().partition(|socket| ours(socket.name()));
        passed = others;
        // All of it as one plugin: where the networks' configuration says.
        let tcp = configuration.tcp(if args.as_one.is_some() { "kuryr" } else { plugin.name() });
        let has_tcp = mine.iter().any(ActivatedSocket::is_tcp);
        for socket in mine {
            let tls = if socket.is_tcp() { tcp.and_then(|t| t.tls.as_ref()) } else { None };
            listeners.push(socket.into_listener(open, tls)?);
        }
        if listeners.is_empty() {
            let path = args.plugin_dir.join(format!("{}.sock", plugin.name()));
            listeners.push(Listener::unix(path, &UnixSocketOptions::default())?);
        }
        // What the service manager passes replaces what we would open ourselves, kind by kind.
        if let Some(tcp) = tcp.filter(|_| !has_tcp) {
            listeners.push(match &tcp.tls {
                Some(files) => Listener::tls(tcp.address, open, files)?,
                None => Listener::tcp(tcp.address, open)?,
            });
        }
        served.push((plugin, listeners));
    }
    for socket in passed {
        tracing::warn!(
            socket = socket.name(),
            "an inherited socket belongs to no plugin; name it kuryr or fuxi with FileDescriptorName="
        );
    }
    Ok(served)
}

/// The certificates of all listeners.
pub(crate) fn certificates(served: &[Served]) -> Vec<Certificates> {
    served.iter().flat_map(|(_, listeners)| listeners).filter_map(Listener::certificates).collect()
}
