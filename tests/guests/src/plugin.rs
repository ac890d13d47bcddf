//! `kuryr serve` inside an instance.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lab::vm::GuestProcess;

use crate::Instance;

/// Where the configuration lies: where Kuryr always had it.
pub const CONFIGURATION: &str = "/etc/kuryr/kuryr.conf";
/// The plugin as the guest sees it.
const PROGRAM: &str = "/share/kuryr";
const SOCKET: &str = "UNIX-CONNECT:/run/docker/plugins/kuryr.sock";
/// How long it may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What containers' links are made of: the driver of the section `[binding]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// A VLAN of the trunk whose parent the instance's port is.
    Vlan,
    /// A macvlan on the instance's port.
    Macvlan,
    /// An ipvlan on the instance's port.
    Ipvlan,
}

impl Binding {
    fn module(self) -> &'static str {
        match self {
            Self::Vlan => "vlan",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
        }
    }
}

impl Instance {
    /// Starts the engine and the plugin, configured like that. What runs is started again only if it was configured
    /// otherwise.
    ///
    /// # Errors
    /// What does not get ready, with its log.
    pub fn serve(&mut self, binding: Option<Binding>) -> Result<()> {
        if self.configured != Some(binding) {
            self.stop_plugin()?;
            // An engine remembers what a plugin can do.
            self.stop_engine()?;
            self.configure_plugin(binding, "")?;
        }
        // An engine that has networks of ours asks for us before it answers anybody.
        self.start_plugin()?;
        self.start_engine()
    }

    /// Writes the configuration as operators know it; without a binding the section is left out, which fits a host that
    /// is no instance. `more` goes behind it and may open further sections.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure_plugin(&mut self, binding: Option<Binding>, more: &str) -> Result<()> {
        let section = binding.map(|binding| {
            let driver = binding.module();
            format!("[binding]\ndriver = kuryr.lib.binding.drivers.{driver}\nlink_iface = eth0 # VM vNIC\n")
        });
        let text = format!(
            "[DEFAULT]\n\
             bindir = /usr/local/libexec/kuryr\n\
             {}[neutron]\n\
             auth_url = {}/identity/v3/\n\
             username = kuryr\n\
             user_domain_name = Default\n\
             password = {}\n\
             project_name = service\n\
             project_domain_name = Default\n\
             auth_type = password\n\
             {more}",
            section.unwrap_or_default(),
            lab::openstack::FRONT,
            lab::openstack::PASSWORD
        );
        // Whoever adds something has one of his own.
        self.configured = more.is_empty().then_some(binding);
        self.guest.write(CONFIGURATION, &text)
    }

    /// Starts the plugin, which has been configured, unless it runs, and waits until it listens.
    ///
    /// # Errors
    /// When it does not, with its log.
    pub fn start_plugin(&mut self) -> Result<()> {
        if !self.plugin.as_ref().is_some_and(GuestProcess::is_running) {
            self.plugin = Some(self.guest.spawn(&[PROGRAM, "serve"], &self.log_file("kuryr"))?);
        }
        let end = Instant::now() + PATIENCE;
        while !self.listens()? {
            let running = self.plugin.as_ref().is_some_and(GuestProcess::is_running);
            if !running || Instant::now() > end {
                self.plugin = None;
                bail!("the plugin in {} does not listen:\n{}", self.name(), self.log("kuryr"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn listens(&self) -> Result<bool> {
        let connect = ["socat", "-u", "OPEN:/dev/null", SOCKET];
        Ok(self.guest.run(&connect)?.status.success())
    }

    /// Ends the plugin in order; `false` if it did not run, failed or had to be killed.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn stop_plugin(&mut self) -> Result<bool> {
        let Some(mut plugin) = self.plugin.take() else { return Ok(false) };
        self.guest.must(&["kill", "-TERM", &plugin.pid().to_string()])?;
        Ok(plugin.wait(PATIENCE).is_some_and(|status| status.success()))
    }

    /// Ends the plugin at once, as a crash would.
    pub fn kill_plugin(&mut self) {
        drop(self.plugin.take());
    }

    /// Crash and start again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn crash_plugin(&mut self) -> Result<()> {
        self.kill_plugin();
        self.start_plugin()
    }

    /// Runs the `kuryr` command inside; what it prints, trimmed.
    ///
    /// # Errors
    /// With what it prints on standard error.
    pub fn kuryr(&self, args: &[&str]) -> Result<String> {
        self.guest.must(&[&[PROGRAM][..], args].concat())
    }
}
