//! The cloud, the plugin and the `kuryr` command of a world.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use anyhow::{Result, bail};
use private_host::HostProcess;
use rustix::process::Signal;

use super::{CLOUD_PORT, wait_until};
use crate::{CloudKind, World};

/// Where Docker looks for plugins; private to the host.
const PLUGINS: &str = "/run/docker/plugins";

impl World {
    /// Writes `kuryr.conf` and `fuxi.conf` with these credentials, and what a virtual machine needs if the host is one.
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
        let binding = self.machine.as_ref().map(|machine| machine.binding.as_str()).unwrap_or_default();
        fs::write(
            self.dir().join("kuryr.conf"),
            format!("[DEFAULT]\nstate_dir = {state}\ndebug = True\n{binding}[neutron]\n{auth}"),
        )?;
        let (providers, my_ip, manila) = self.share_settings();
        fs::write(
            self.dir().join("fuxi.conf"),
            format!(
                "[DEFAULT]\nstate_dir = {state}\nvolume_providers = {providers}\nmy_ip = {my_ip}\nvolume_dir = {}\n\
                 {manila}[cinder]\nvolume_connector = osbrick\nfstype = ext4\ndetach_delay = 0\n{auth}",
                self.volume_dir().display()
            ),
        )?;
        Ok(())
    }

    /// Starts the development cloud, or the front before real services, and waits until it answers. Its state
    /// survives a restart.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn start_cloud(&mut self) -> Result<()> {
        let listen = format!("127.0.0.1:{CLOUD_PORT}");
        let mut args = vec!["devcloud".to_owned(), "--listen".to_owned(), listen];
        match self.kind() {
            CloudKind::DevCloud => {
                let dir = self.dir().join("cloud").to_string_lossy().into_owned();
                args.extend(["--dir".to_owned(), dir]);
                args.extend(self.gluster_arguments());
            }
            CloudKind::OpenStack => {
                let own = [("identity", lab::openstack::KEYSTONE), ("networking", lab::openstack::NEUTRON)];
                let own = own.map(|(service, url)| (service.to_owned(), url.to_owned()));
                for (service, url) in own.iter().chain(&self.more_services) {
                    args.extend(["--upstream".to_owned(), format!("{service}={url}")]);
                }
            }
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let log = self.dir().join("devcloud.log");
        let mut process = self.host().spawn(&self.kuryr, &args, &log)?;
        wait_until("the cloud answers", || self.cloud.is_ready() || !process.is_running())?;
        if !process.is_running() {
            bail!("the cloud ended: {}", fs::read_to_string(&log).unwrap_or_default());
        }
        self.front = Some(process);
        Ok(())
    }

    /// Has the front before real services stand before more of them: the first part of the paths that go there, such as
    /// `volume`, and where it is as the host sees it. They answer already. Replaces those of an earlier call.
    ///
    /// # Errors
    /// When the front does not get ready.
    pub fn stand_before(&mut self, services: &[(&str, &str)]) -> Result<()> {
        self.more_services =
            services.iter().map(|&(service, url)| (service.to_owned(), url.to_owned())).collect();
        self.stop_cloud();
        self.start_cloud()
    }

    /// Ends the cloud, or the front before it, so that it cannot be reached.
    pub fn stop_cloud(&mut self) {
        if let Some(process) = self.front.take() {
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
        self.plugin = Some(self.host().spawn(&self.kuryr, &args, &self.dir().join("plugin.log"))?);
        Ok(())
    }

    /// Starts `kuryr` with other arguments than usual; it is not the world's plugin, and the caller ends it.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn_kuryr(&self, args: &[&str]) -> Result<HostProcess> {
        Ok(self.host().spawn(&self.kuryr, args, &self.dir().join("plugin.log"))?)
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
        PathBuf::from(format!("/proc/{}/root{PLUGINS}/{name}.sock", self.host_pid()))
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

    /// Has the plugin stand still, or go on.
    pub fn freeze_plugin(&self, frozen: bool) {
        if let Some(plugin) = &self.plugin {
            plugin.signal(if frozen { Signal::STOP } else { Signal::CONT });
        }
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
        Ok(self.host().command(&self.kuryr).args(args).output()?)
    }
}
