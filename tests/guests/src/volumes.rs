//! The volume driver inside an instance.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::Instance;

/// Where the configuration of volumes lies: where Fuxi always had it.
const CONFIGURATION: &str = "/etc/fuxi/fuxi.conf";
const SOCKET: &str = "UNIX-CONNECT:/run/docker/plugins/fuxi.sock";
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

impl Instance {
    /// Starts the engine and both plugins, on the network for storage. What runs stays as it is.
    ///
    /// # Errors
    /// What does not get ready, with its log.
    pub fn serve_volumes(&mut self) -> Result<()> {
        if !self.guest.run(&["test", "-e", CONFIGURATION])?.status.success() {
            self.stop_plugin()?;
            // An engine remembers what a plugin can do.
            self.stop_engine()?;
            self.configure_plugin(None, "")?;
            self.configure_volumes()?;
        }
        self.start_plugin()?;
        let end = Instant::now() + PATIENCE;
        while !self.guest.run(&["socat", "-u", "OPEN:/dev/null", SOCKET])?.status.success() {
            if Instant::now() > end {
                bail!("the volume driver in {} does not listen:\n{}", self.name(), self.log("kuryr"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.start_engine()
    }

    /// Writes the configuration as operators know it. A volume is detached at once after its last unmount.
    ///
    /// # Errors
    /// When it cannot be written.
    fn configure_volumes(&self) -> Result<()> {
        let text = format!(
            "[DEFAULT]\n\
             volume_providers = cinder,manila\n\
             my_ip = {}\n\
             [cinder]\n\
             volume_connector = osbrick\n\
             fstype = ext4\n\
             detach_delay = 0\n\
             auth_url = {}/identity/v3/\n\
             username = kuryr\n\
             user_domain_name = Default\n\
             password = {}\n\
             project_name = {TENANT}\n\
             project_domain_name = Default\n\
             auth_type = password\n\
             region_name = RegionOne\n\
             [manila]\n\
             share_proto = NFS\n",
            self.storage_address()?,
            lab::openstack::FRONT,
            lab::openstack::PASSWORD
        );
        self.guest.write(CONFIGURATION, &text)
    }
}

/// The project in which the driver makes volumes.
pub const TENANT: &str = "kuryr";
