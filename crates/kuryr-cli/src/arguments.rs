//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Docker networks on OpenStack Neutron and Docker volumes on Cinder.
#[derive(Debug, Parser)]
#[command(name = "kuryr", version, about, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve Docker: plugin `kuryr` for networks and addresses, plugin `fuxi` for volumes.
    Serve(ServeArguments),
    /// Show what a running `kuryr serve` holds.
    Status(StatusArguments),
    /// Find ports, groups, links and so on of this host that nobody remembers, and remove those that are provably ours.
    Gc(GcArguments),
    /// Look at volumes and do to them what Docker has no words for.
    Volume(VolumeArguments),
    /// Make a network for all nodes of a Docker swarm, or remove it.
    Swarm(SwarmArguments),
    /// Make the certificates for TLS between Docker and the plugins.
    Tls(TlsArguments),
    /// Write manual pages and completions of shells into a directory, for packages.
    #[command(hide = true)]
    Documents(DocumentsArguments),
    /// Check the configuration, or print a sample of it.
    Config(ConfigArguments),
    /// See it work: containers on Neutron networks, volumes on Cinder, all on this machine and all gone afterwards.
    Demo(DemoArguments),
    /// Run the embedded development cloud in the foreground.
    Devcloud(DevcloudArguments),
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigSources {
    /// Configuration of the network plugin; may be repeated, later files win. Without it the usual places are searched
    /// for `kuryr.conf`.
    #[arg(long = "config-file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Directory with more `*.conf` files for the network plugin; may be repeated.
    #[arg(long = "config-dir", value_name = "DIRECTORY")]
    pub(crate) dirs: Vec<PathBuf>,
    /// Configuration of the volume plugin; may be repeated. Without it the usual places are searched for `fuxi.conf`.
    #[arg(long = "fuxi-config-file", value_name = "FILE")]
    pub(crate) fuxi_files: Vec<PathBuf>,
    /// Directory with more `*.conf` files for the volume plugin; may be repeated.
    #[arg(long = "fuxi-config-dir", value_name = "DIRECTORY")]
    pub(crate) fuxi_dirs: Vec<PathBuf>,
    /// Do without files where none is found: defaults and what the environment says are enough. Docker's managed plugins
    /// are set up that way.
    #[arg(long)]
    pub(crate) from_environment: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// Serve only this plugin; without it, each whose configuration is found.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Plugin>,
    /// Where Docker looks for plugins' sockets.
    #[arg(long, value_name = "DIRECTORY", default_value = "/run/docker/plugins")]
    pub(crate) plugin_dir: PathBuf,
    /// Serve all of it as one plugin, on one socket of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) as_one: Option<String>,
    /// Serve TCP without client certificates, or plain, on addresses that others can reach too: whoever reaches the port
    /// then owns this host.
    #[arg(long)]
    pub(crate) insecure_tcp: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plugin {
    /// Networks and addresses.
    Kuryr,
    /// Volumes.
    Fuxi,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// Only look; remove nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VolumeArguments {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// Print one JSON object or list.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) action: VolumeAction,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum VolumeAction {
    /// All volumes with our mark.
    Ls,
    /// One volume: its state here and in the cloud, and who has it.
    Show {
        /// Docker's name of it.
        name: String,
    },
    /// Make a Cinder volume that exists a Docker volume; `docker volume rm` gives it back.
    Adopt {
        /// Docker's name of it.
        name: String,
        /// Cinder's id.
        volume_id: String,
    },
    /// Take a snapshot; of a mounted volume after writing back.
    Snapshot {
        /// Docker's name of the volume.
        name: String,
        /// The snapshot's name; without it the volume's.
        snapshot: Option<String>,
    },
    /// The snapshots of a volume, the oldest first.
    Snapshots {
        /// Docker's name of the volume.
        name: String,
    },
    /// Make a new volume with the content of another.
    Clone {
        /// Docker's name of the one.
        source: String,
        /// Docker's name of the new one.
        name: String,
        /// An option of `docker volume create` for it; may be repeated.
        #[arg(short = 'o', long = "opt", value_name = "KEY=VALUE", value_parser = key_value)]
        options: Vec<(String, String)>,
    },
    /// Grow a volume, and its filesystem if it is mounted here.
    Extend {
        /// Docker's name of it.
        name: String,
        /// The new size in GiB.
        size: u64,
    },
    /// Unmount and detach a volume from this host, unless a container uses it.
    Detach {
        /// Docker's name of it.
        name: String,
    },
    /// Show who else has a volume; with --attachment end that one, for a host that is dead.
    Fence {
        /// Docker's name of the volume.
        name: String,
        /// The attachment to end. By naming it you vouch that its host is off or cut off from the storage: two hosts that
        /// write destroy the filesystem.
        #[arg(long, value_name = "ID")]
        attachment: Option<String>,
    },
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct SwarmArguments {
    /// The engine of a node, as `docker --host` takes it, such as `ssh://root@node1`; once for each node, a manager among
    /// them. Without it only the engine of this host.
    #[arg(long = "docker", value_name = "HOST", global = true)]
    pub(crate) engines: Vec<String>,
    #[command(subcommand)]
    pub(crate) action: SwarmAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SwarmAction {
    /// Describe the network on each node, then make it. What is there already is kept, so repeat it for new nodes.
    Create(SwarmNetwork),
    /// Remove the network, then its description on each node.
    Rm {
        /// The network's name.
        name: String,
    },
}

/// A swarm's network; all but the name and `attachable` is what each node is told.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct SwarmNetwork {
    /// The network's name.
    pub(crate) name: String,
    /// Range of addresses; once for each family.
    #[arg(long = "subnet", value_name = "CIDR", required = true)]
    pub(crate) subnets: Vec<String>,
    /// Gateway; once for each family.
    #[arg(long = "gateway", value_name = "ADDRESS")]
    pub(crate) gateways: Vec<String>,
    /// Part of the subnet to take addresses from.
    #[arg(long = "ip-range", value_name = "CIDR")]
    pub(crate) ranges: Vec<String>,
    /// With a subnet of IPv6.
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// Without a gateway in containers.
    #[arg(long)]
    pub(crate) internal: bool,
    /// An option of the network driver, such as `neutron.net.uuid=ID`.
    #[arg(short = 'o', long = "opt", value_name = "KEY=VALUE")]
    pub(crate) options: Vec<String>,
    /// An option of the address driver, such as `neutron.subnet.uuid=ID`.
    #[arg(long = "ipam-opt", value_name = "KEY=VALUE")]
    pub(crate) ipam_options: Vec<String>,
    /// Let containers that are no service's tasks use it.
    #[arg(long)]
    pub(crate) attachable: bool,
    /// The managed plugin with its tag, by which a swarm knows it.
    #[arg(long, default_value = "kuryr:latest")]
    pub(crate) driver: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Read the configuration as `serve` would and print everything that is wrong or doubtful.
    Check(ConfigSources),
    /// Print all options with their defaults and meaning.
    Sample {
        /// Of which file.
        #[arg(value_enum)]
        plugin: Plugin,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DocumentsArguments {
    /// Where; made if absent.
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TlsArguments {
    #[command(subcommand)]
    pub(crate) action: TlsAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TlsAction {
    /// Make an authority, a certificate for the plugins, one for Docker, and Docker's descriptions of the plugins. Writes
    /// into a new or empty directory only.
    Init(TlsInit),
}

#[derive(Debug, Args)]
pub(crate) struct TlsInit {
    /// Where.
    #[arg(long, value_name = "DIRECTORY", default_value = "/etc/kuryr/tls")]
    pub(crate) dir: PathBuf,
    /// Name or address by which Docker reaches the plugins; may be repeated. The first is in Docker's descriptions.
    #[arg(
        long = "host",
        value_name = "HOST",
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        default_values = ["127.0.0.1", "::1", "localhost"]
    )]
    pub(crate) hosts: Vec<String>,
    /// How long the certificates are valid.
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub(crate) days: u32,
}

#[derive(Debug, Args)]
pub(crate) struct DevcloudArguments {
    /// Where to listen; only loopback makes sense, anybody who can connect is the operator.
    #[arg(long, default_value = "127.0.0.1:5000")]
    pub(crate) listen: SocketAddr,
    /// Directory for volumes and for the state that survives a restart.
    #[arg(long, value_name = "DIRECTORY", required_unless_present = "upstreams")]
    pub(crate) dir: Option<PathBuf>,
    /// Only the front with its log and faults, before a real service: `identity=http://HOST:PORT` or
    /// `networking=http://HOST:PORT`; may be repeated.
    #[arg(
        long = "upstream",
        id = "upstreams",
        value_name = "SERVICE=URL",
        conflicts_with_all = ["dir", "no_data_path", "remove_bridges"]
    )]
    pub(crate) upstreams: Vec<devcloud::upstream::Upstream>,
    /// Only the API: no bridges, filters or loop devices on this machine.
    #[arg(long)]
    pub(crate) no_data_path: bool,
    /// Shares of the protocol GLUSTERFS hold files: they are volumes of the `glusterd` that has its socket `glusterd.sock`
    /// and its logs (`log`) in this directory. Goes with `--gluster-address`.
    #[arg(long, value_name = "DIRECTORY", requires = "gluster_addresses", conflicts_with = "no_data_path")]
    pub(crate) gluster: Option<PathBuf>,
    /// Address of this machine, not of loopback, at which that `glusterd` answers; may be repeated, shares are made at the
    /// first one.
    #[arg(long = "gluster-address", id = "gluster_addresses", value_name = "IP", requires = "gluster")]
    pub(crate) gluster_addresses: Vec<std::net::IpAddr>,
    /// Remove bridges and filters at the end; without it a restart on the same directory finds them.
    #[arg(long)]
    pub(crate) remove_bridges: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Use the machine's own engine, such as `unix:///var/run/docker.sock`, instead of one in a private namespace.
    #[arg(long, value_name = "SOCKET")]
    pub(crate) docker: Option<String>,
    /// The part that runs inside the private host.
    #[arg(long, hide = true, value_name = "DIRECTORY")]
    pub(crate) inside: Option<PathBuf>,
}
