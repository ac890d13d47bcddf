//! What the tour plays on: an engine, the development cloud and the plugin.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use private_host::{Docker, DockerOptions, HostProcess, Place};
use tokio::time::Instant;

use super::cloud::Cloud;
use super::tour::{CONTAINERS, NETWORKS, VOLUMES};
use crate::error::Error;
use crate::{devcloud_command, output};

const PLUGINS: &str = "/run/docker/plugins";

/// Everything the tour needs, running.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) docker: Docker,
    pub(super) cloud: Cloud,
    dir: PathBuf,
    /// The image was not there before and goes with us.
    image: bool,
    /// The plugin, then the cloud: ended in this order.
    processes: Vec<HostProcess>,
}

impl Stage {
    pub(super) async fn set(dir: &Path, machine: Option<&str>) -> Result<Self, Error> {
        let place = Place::here(dir);
        let demo = |e: private_host::Error| Error::Demo(e.to_string());
        let docker = match machine {
            Some(socket) => {
                let docker = Docker::existing(&place, socket);
                refuse_to_disturb(&docker)?;
                docker
            }
            None => {
                output::line("Starting a Docker engine of our own, in a namespace without a way out ...");
                Docker::start(&place, &DockerOptions::default()).map_err(demo)?
            }
        };
        let image = docker.run(&["image", "inspect", "busybox"]).is_err();
        if image {
            docker.import_busybox("busybox").map_err(demo)?;
        }
        let version = docker.run(&["version", "--format", "{{.Server.Version}}"]).map_err(demo)?;
        output::line(format_args!("  Docker {version} answers"));

        let program = std::env::current_exe().map_err(|source| Error::Io {
            action: "find",
            what: "kuryr itself".into(),
            source,
        })?;
        let program = program.to_string_lossy().into_owned();
        output::line("Starting the development cloud: Keystone, Neutron and Cinder in one process ...");
        let cloud_dir = dir.join("cloud");
        let address = free_address()?;
        let args =
            ["devcloud", "--remove-bridges", "--listen", &address, "--dir", &cloud_dir.to_string_lossy()];
        let mut devcloud = place.spawn(&program, &args, &dir.join("devcloud.log")).map_err(demo)?;
        wait_for("the development cloud", &mut devcloud, &dir.join("devcloud.log"), || {
            std::net::TcpStream::connect(&address).is_ok()
        })
        .await?;

        output::line("Starting the plugins kuryr (networks) and fuxi (volumes) ...");
        let (network, volume) = write_configuration(dir, &address)?;
        let args = ["serve", "--config-file", &network, "--fuxi-config-file", &volume];
        let mut plugin = place.spawn(&program, &args, &dir.join("kuryr.log")).map_err(demo)?;
        wait_for("kuryr serve", &mut plugin, &dir.join("kuryr.log"), || {
            ["kuryr.sock", "fuxi.sock"]
                .iter()
                .all(|s| UnixStream::connect(Path::new(PLUGINS).join(s)).is_ok())
        })
        .await?;
        let cloud = Cloud::connect(&address)?;
        Ok(Self { docker, cloud, dir: dir.to_owned(), image, processes: vec![plugin, devcloud] })
    }

    /// Runs a client command, showing it and what it prints.
    pub(super) fn show(&self, args: &[&str]) -> Result<String, Error> {
        output::line(format_args!("$ docker {}", args.join(" ")));
        match self.docker.run(args) {
            Ok(text) => {
                text.lines().for_each(|line| output::line(format_args!("  {line}")));
                Ok(text)
            }
            Err(error) => {
                output::line(format_args!("  {error}"));
                Err(Error::Demo("a step of the tour failed".into()))
            }
        }
    }

    /// Puts a filesystem on a volume that nothing uses, as a virtual machine may have done long ago.
    pub(super) fn format_volume(&self, id: &str) -> Result<(), Error> {
        let file = devcloud_command::volume_dir(&self.dir.join("cloud")).join(format!("volume-{id}.raw"));
        let output = std::process::Command::new("mkfs.ext4").arg("-q").arg(&file).output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(Error::Demo(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
            Err(source) => Err(Error::Io { action: "start", what: "mkfs.ext4".into(), source }),
        }
    }

    /// What else one could type.
    pub(super) fn invite(&self) {
        output::line("");
        output::line("Everything still runs. In another terminal, as root:");
        output::line(format_args!("  export DOCKER_HOST={}", self.docker.socket()));
        for command in [
            "docker network ls",
            "docker network inspect foo",
            "docker run --rm -it --network foo busybox sh",
            "docker volume inspect my_vol",
            "docker run --rm -it -v my_vol:/data busybox sh",
        ] {
            output::line(format_args!("  {command}"));
        }
        output::line(format_args!("  tail -f {}/kuryr.log", self.dir.display()));
        output::line("Press Enter here to stop everything; nothing stays behind.");
    }

    /// Why a step may have failed; the whole log goes with the stage.
    pub(super) fn show_log(&self) {
        for (whose, name) in [("plugins'", "kuryr.log"), ("development cloud's", "devcloud.log")] {
            let log = std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            output::note(format_args!("the end of the {whose} log:"));
            let end = lines.iter().skip(lines.len().saturating_sub(15));
            end.for_each(|line| output::note(format_args!("  {line}")));
        }
    }

    /// Ends everything in order.
    pub(super) fn strike(&mut self) {
        for process in self.processes.drain(..) {
            process.stop(Duration::from_secs(10));
        }
        if self.image {
            let _ = self.docker.try_run(&["image", "rm", "busybox"]);
        }
        self.docker.stop();
    }
}

async fn wait_for(
    what: &str,
    process: &mut HostProcess,
    log: &Path,
    ready: impl Fn() -> bool,
) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        // Somebody else's answer does not count: ours must be alive as well.
        if ready() && process.is_running() {
            return Ok(());
        }
        if !process.is_running() || Instant::now() > end {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            return Err(Error::Demo(format!("{what} did not get ready: {}", log.trim())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Refuses an engine that has things of the tour's names, or plugins already: removing or replacing them would be the
/// end of somebody's work.
fn refuse_to_disturb(docker: &Docker) -> Result<(), Error> {
    let kinds: [(&str, &[&str], &[&str]); 3] = [
        ("container", &["ps", "--all", "--format", "{{.Names}}"], &CONTAINERS),
        ("network", &["network", "ls", "--format", "{{.Name}}"], &NETWORKS),
        ("volume", &["volume", "ls", "--format", "{{.Name}}"], &VOLUMES),
    ];
    for (kind, args, ours) in kinds {
        let there = docker.run(args).map_err(|e| Error::Demo(e.to_string()))?;
        if let Some(name) = there.lines().find(|name| ours.contains(name)) {
            return Err(Error::Demo(format!(
                "the engine has a {kind} named {name}, which the tour would make; rename it, or run the demo without \
                 --docker"
            )));
        }
    }
    for name in ["kuryr", "fuxi"] {
        let socket = Path::new(PLUGINS).join(format!("{name}.sock"));
        if UnixStream::connect(&socket).is_ok() {
            return Err(Error::Demo(format!(
                "a plugin serves {} already; stop it, or run the demo without --docker",
                socket.display()
            )));
        }
    }
    Ok(())
}

/// A loopback address nobody listens on: port 5000 may be the Keystone of a real cloud.
fn free_address() -> Result<String, Error> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address =
        address.map_err(|source| Error::Io { action: "listen on", what: "127.0.0.1".into(), source })?;
    Ok(address.to_string())
}

fn write_configuration(dir: &Path, cloud: &str) -> Result<(String, String), Error> {
    let auth = format!(
        "auth_type = password\nauth_url = http://{cloud}/identity/v3\nusername = demo\npassword = secret\n\
         project_name = demo\nuser_domain_id = default\nproject_domain_id = default\nregion_name = RegionOne\n"
    );
    let state = dir.join("state");
    let network = format!("[DEFAULT]\nstate_dir = {0}\n\n[neutron]\n{auth}", state.display());
    let volume = format!(
        "[DEFAULT]\nstate_dir = {}\nvolume_providers = cinder\nmy_ip = 127.0.0.1\nvolume_dir = {}\n\n\
         [cinder]\nvolume_connector = osbrick\nfstype = ext4\ndetach_delay = 0\n{auth}",
        state.display(),
        dir.join("volumes").display()
    );
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text)
            .map(|()| path.to_string_lossy().into_owned())
            .map_err(|source| Error::Io { action: "write", what: path.clone(), source })
    };
    Ok((write("kuryr.conf", network)?, write("fuxi.conf", volume)?))
}
