//! A private host with an engine, a cloud and the plugin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use private_host::{Docker, DockerOptions, HostProcess, PrivateHost, Root, Settings};

use crate::{Cloud, Inside, leftovers};

const CLOUD_PORT: u16 = 5000;
/// Where Docker looks for plugins; private to the host.
const PLUGINS: &str = "/run/docker/plugins";

/// How to make a world.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// The `kuryr` binary.
    pub kuryr: PathBuf,
    /// Where the engine comes from.
    pub root: Root,
}

/// All parts together. Dropping it ends them all.
#[derive(Debug)]
pub struct World {
    plugin: Option<HostProcess>,
    devcloud: Option<HostProcess>,
    /// The engine.
    pub docker: Docker,
    /// The cloud.
    pub cloud: Cloud,
    host: PrivateHost,
    kuryr: String,
    dir: tempfile::TempDir,
}

impl World {
    /// Starts host, engine, cloud and plugin.
    ///
    /// # Errors
    /// What did not get ready, and where its log is.
    pub fn start(options: &WorldOptions) -> Result<Self> {
        leftovers::remove();
        let dir = leftovers::directory()?;
        let bin = options.kuryr.parent().context("the kuryr binary has no directory")?.to_owned();
        let settings = Settings {
            name: "world".into(),
            dir: dir.path().to_owned(),
            root: options.root.clone(),
            share: vec![bin, dir.path().to_owned()],
        };
        let host = PrivateHost::start(&settings)?;
        let docker = Docker::start(&host.place(), &DockerOptions::default())?;
        docker.import_busybox("busybox")?;
        let cloud = Cloud::new(netns_of(host.pid(), 1), CLOUD_PORT);
        let kuryr = options.kuryr.to_string_lossy().into_owned();
        let mut world = Self { plugin: None, devcloud: None, docker, cloud, host, kuryr, dir };
        world.start_cloud()?;
        world.write_config("demo", "secret")?;
        world.start_plugin()?;
        Ok(world)
    }

    /// A directory of this world, the same inside and outside.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The plugin's state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// Where volumes are mounted.
    #[must_use]
    pub fn volume_dir(&self) -> PathBuf {
        self.dir().join("volumes")
    }

    /// The private host.
    #[must_use]
    pub fn host(&self) -> &PrivateHost {
        &self.host
    }

    /// Writes `kuryr.conf` and `fuxi.conf` with these credentials.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_config(&self, user: &str, password: &str) -> Result<()> {
        let auth = format!(
            "auth_type = password\nauth_url = {}\nusername = {user}\npassword = {password}\nproject_name = {user}\n\
             user_domain_id = default\nproject_domain_id = default\nregion_name = RegionOne\n",
            self.cloud.auth_url()
        );
        let state = self.state_dir();
        let state = state.display();
        fs::write(
            self.dir().join("kuryr.conf"),
            format!("[DEFAULT]\nstate_dir = {state}\ndebug = True\n[neutron]\n{auth}"),
        )?;
        fs::write(
            self.dir().join("fuxi.conf"),
            format!(
                "[DEFAULT]\nstate_dir = {state}\nvolume_providers = cinder\nmy_ip = 127.0.0.1\nvolume_dir = {}\n\
                 [cinder]\nvolume_connector = osbrick\nfstype = ext4\ndetach_delay = 0\n{auth}",
                self.volume_dir().display()
            ),
        )?;
        Ok(())
    }

    /// Starts the development cloud and waits until it answers. Its state survives a restart.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_cloud(&mut self) -> Result<()> {
        let dir = self.dir().join("cloud");
        let listen = format!("127.0.0.1:{CLOUD_PORT}");
        let args = ["devcloud", "--listen", &listen, "--dir", &dir.to_string_lossy()];
        let log = self.dir().join("devcloud.log");
        let mut process = self.host.spawn(&self.kuryr, &args, &log)?;
        wait_until("the development cloud answers", || self.cloud.is_ready() || !process.is_running())?;
        if !process.is_running() {
            bail!("the development cloud ended: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        self.devcloud = Some(process);
        Ok(())
    }

    /// Ends the cloud, so that it cannot be reached.
    pub fn stop_cloud(&mut self) {
        if let Some(process) = self.devcloud.take() {
            process.stop(Duration::from_secs(10));
        }
    }

    /// Starts the plugin and waits until its sockets listen.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_plugin(&mut self) -> Result<()> {
        self.launch_plugin()?;
        self.await_plugin()
    }

    /// Starts the plugin without waiting for it.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn launch_plugin(&mut self) -> Result<()> {
        let (network, volume) = (self.dir().join("kuryr.conf"), self.dir().join("fuxi.conf"));
        let (network, volume) = (network.to_string_lossy(), volume.to_string_lossy());
        let args = ["serve", "--config-file", &network, "--fuxi-config-file", &volume];
        self.plugin = Some(self.host.spawn(&self.kuryr, &args, &self.dir().join("plugin.log"))?);
        Ok(())
    }

    /// Starts `kuryr` with other arguments than usual; it is not the world's plugin, and the caller ends it.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn_kuryr(&self, args: &[&str]) -> Result<HostProcess> {
        Ok(self.host.spawn(&self.kuryr, args, &self.dir().join("plugin.log"))?)
    }

    /// Waits until the plugin's sockets listen.
    ///
    /// # Errors
    /// When they do not, with the plugin's log.
    pub fn await_plugin(&mut self) -> Result<()> {
        let sockets = ["kuryr", "fuxi"].map(|name| self.plugin_socket(name));
        let Some(process) = &mut self.plugin else { bail!("the plugin was not started") };
        let listening = || sockets.iter().all(|s| std::os::unix::net::UnixStream::connect(s).is_ok());
        wait_until("the plugin listens", || listening() || !process.is_running())?;
        if !process.is_running() {
            self.plugin = None;
            bail!("the plugin ended:\n{}", self.plugin_log());
        }
        Ok(())
    }

    /// A plugin's socket, as a path outside the host.
    #[must_use]
    pub fn plugin_socket(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{PLUGINS}/{name}.sock", self.host.pid()))
    }

    /// Ends the plugin at once, as a crash would.
    pub fn kill_plugin(&mut self) {
        if let Some(process) = self.plugin.take() {
            process.kill();
        }
    }

    /// Ends the plugin in order; `false` if it had to be killed.
    pub fn stop_plugin(&mut self) -> bool {
        self.plugin.take().is_some_and(|p| p.stop(Duration::from_secs(30)).is_some_and(|s| s.success()))
    }

    /// Crash and start again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn crash_plugin(&mut self) -> Result<()> {
        self.kill_plugin();
        self.start_plugin()
    }

    /// Pid of the plugin, outside.
    #[must_use]
    pub fn plugin_pid(&self) -> Option<u32> {
        self.plugin.as_ref().and_then(HostProcess::pid)
    }

    /// What the plugin logged.
    #[must_use]
    pub fn plugin_log(&self) -> String {
        fs::read_to_string(self.dir().join("plugin.log")).unwrap_or_default()
    }

    /// What the cloud logged.
    #[must_use]
    pub fn cloud_log(&self) -> String {
        fs::read_to_string(self.dir().join("devcloud.log")).unwrap_or_default()
    }

    /// Runs the `kuryr` command inside.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn kuryr(&self, args: &[&str]) -> Result<Output> {
        Ok(self.host.command(&self.kuryr).args(args).output()?)
    }

    /// Starts the engine again after it was killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn relaunch_docker(&mut self) -> Result<()> {
        Ok(self.docker.launch()?)
    }

    /// Runs the Docker client; what it prints.
    ///
    /// # Errors
    /// What it prints on standard error.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        Ok(self.docker.run(args)?)
    }

    /// Runs the Docker client, which must fail; its error text.
    ///
    /// # Errors
    /// When it succeeded.
    pub fn docker_fails(&self, args: &[&str]) -> Result<String> {
        let output = self.docker.try_run(args)?;
        if output.status.success() {
            bail!("`docker {}` was expected to fail, but succeeded", args.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Starts a detached container with that name that sleeps; `args` go before the image.
    ///
    /// # Errors
    /// What Docker says.
    pub fn run(&self, name: &str, args: &[&str]) -> Result<Inside> {
        let mut all = vec!["run", "--detach", "--name", name, "--stop-timeout", "0"];
        all.extend(args);
        all.extend(["busybox", "sleep", "1000"]);
        self.docker(&all)?;
        self.inside(name)
    }

    /// The network namespace of a running container.
    ///
    /// # Errors
    /// When it does not run.
    pub fn inside(&self, container: &str) -> Result<Inside> {
        let pid: u32 = self.docker(&["inspect", "--format", "{{.State.Pid}}", container])?.parse()?;
        Ok(Inside { netns: netns_of(self.host.pid(), pid) })
    }

    /// The host's own network namespace.
    #[must_use]
    pub fn outside(&self) -> Inside {
        Inside { netns: netns_of(self.host.pid(), 1) }
    }

    /// A container's address on a network.
    ///
    /// # Errors
    /// When it has none.
    pub fn address(&self, container: &str, network: &str) -> Result<std::net::IpAddr> {
        let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        let text = self.docker(&["inspect", "--format", &format, container])?;
        text.parse().with_context(|| format!("address of {container} on {network}: `{text}`"))
    }

    /// Stops and removes a container.
    ///
    /// # Errors
    /// What Docker says.
    pub fn remove(&self, container: &str) -> Result<()> {
        self.docker(&["rm", "--force", container]).map(drop)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The plugin first: what it still does must not meet a cloud that is gone.
        if let Some(plugin) = self.plugin.take() {
            plugin.kill();
        }
        if let Some(devcloud) = self.devcloud.take() {
            devcloud.stop(Duration::from_secs(5));
        }
        self.docker.kill();
        self.host.stop();
        let _ = private_host::remove_directory(self.dir.path());
    }
}

fn netns_of(init: u32, pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{init}/root/proc/{pid}/ns/net"))
}

/// Waits until something holds, at most 20 s.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if holds() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("waited 20 s in vain: {what}")
}
