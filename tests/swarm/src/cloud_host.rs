//! The development cloud on a host of its own, which also holds the wire.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use private_host::{HostProcess, PrivateHost, Root, Settings};
use testkit::Cloud;

use crate::{wait_until, wire};

/// Its address on the wire.
pub(crate) const ADDRESS: &str = "10.99.0.1";

/// A running cloud.
#[derive(Debug)]
pub(crate) struct CloudHost {
    process: Option<HostProcess>,
    pub(crate) host: PrivateHost,
    pub(crate) cloud: Cloud,
    kuryr: PathBuf,
}

impl CloudHost {
    pub(crate) fn start(kuryr: &Path, dir: &Path) -> Result<Self> {
        let dir = dir.join("cloud");
        let settings = Settings { name: "cloud".into(), dir, root: Root::Machine, share: vec![] };
        let host = PrivateHost::start(&settings)?;
        wire::lay(host.pid(), ADDRESS)?;
        let netns = PathBuf::from(format!("/proc/{}/ns/net", host.pid()));
        let cloud = Cloud::at(netns, &format!("http://{ADDRESS}:5000"));
        let mut this = Self { process: None, host, cloud, kuryr: kuryr.to_owned() };
        this.serve()?;
        Ok(this)
    }

    /// Starts the cloud's services with the state they had.
    pub(crate) fn serve(&mut self) -> Result<()> {
        let state = self.host.dir().join("state").to_string_lossy().into_owned();
        // Packets are the nodes' affair.
        let listen = format!("{ADDRESS}:5000");
        let args = ["devcloud", "--no-data-path", "--listen", &listen, "--dir", &state];
        let log = self.host.dir().join("devcloud.log");
        self.process = Some(self.host.spawn(&self.kuryr.to_string_lossy(), &args, &log)?);
        wait_until(Duration::from_secs(30), "the cloud answers", || {
            ensure!(self.cloud.is_ready(), "see {}", log.display());
            Ok(())
        })
    }

    /// Ends the services.
    pub(crate) fn end(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Duration::from_secs(10));
        }
    }
}

impl Drop for CloudHost {
    fn drop(&mut self) {
        self.end();
    }
}
