//! A real storage for shares: `glusterd` on the world's host, beside the development cloud.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use private_host::HostProcess;

use crate::world::wait_until;
use crate::{CloudKind, Skipped, World};

/// The storage's addresses; the first one has all shares at first.
pub const STORAGE: [&str; 2] = ["192.168.77.1", "192.168.77.2"];
/// The host's own address towards the storage.
pub const HOST: &str = "192.168.77.9";

/// A running `glusterd`.
#[derive(Debug)]
pub(crate) struct Gluster {
    _daemon: HostProcess,
}

impl World {
    /// Ends the case here unless the cloud has Manila.
    ///
    /// # Errors
    /// [`Skipped`] with the reason.
    pub fn needs_shares(&self) -> Result<()> {
        match self.kind() {
            CloudKind::DevCloud => Ok(()),
            CloudKind::OpenStack => {
                bail!(Skipped { reason: "there is no Manila in the lab yet".to_owned() })
            }
        }
    }

    /// Has the plugin serve shares beside volumes, of a Manila whose shares of GlusterFS really hold files. The storage is
    /// started when it is asked for the first time, and stays.
    ///
    /// # Errors
    /// When `glusterfs-server` is not installed, or something does not get ready.
    pub fn serve_shares(&mut self) -> Result<()> {
        if self.gluster.is_none() {
            self.start_gluster()?;
            self.stop_cloud();
            self.start_cloud()?;
        }
        self.shares = true;
        self.configure_anew()
    }

    /// Has the plugin serve volumes only, as a new world's does.
    ///
    /// # Errors
    /// When it does not start.
    pub fn serve_no_shares(&mut self) -> Result<()> {
        self.shares = false;
        self.configure_anew()
    }

    fn configure_anew(&mut self) -> Result<()> {
        self.write_config("demo", "secret")?;
        ensure!(self.stop_plugin(), "the plugin had to be killed:\n{}", self.plugin_log());
        self.start_plugin()
    }

    /// What is different in `fuxi.conf`: the providers, this host's address and Manila's section.
    pub(crate) fn share_settings(&self) -> (&'static str, &'static str, &'static str) {
        if self.shares {
            // The way of Gluster's certificates needs TLS on the storage; addresses are as good for what is tested here.
            let manila = "[manila]\nshare_proto = GLUSTERFS\nproto_access_type_map = GLUSTERFS:ip\n";
            ("cinder,manila", HOST, manila)
        } else {
            ("cinder", "127.0.0.1", "")
        }
    }

    /// The development cloud's arguments.
    pub(crate) fn gluster_arguments(&self) -> Vec<String> {
        if self.gluster.is_none() {
            return Vec::new();
        }
        let home = self.gluster_home().to_string_lossy().into_owned();
        let addresses = STORAGE.iter().flat_map(|address| ["--gluster-address", address]);
        ["--gluster", &home].into_iter().chain(addresses).map(str::to_owned).collect()
    }

    fn gluster_home(&self) -> PathBuf {
        self.dir().join("gluster")
    }

    fn start_gluster(&mut self) -> Result<()> {
        let home = self.gluster_home();
        for sub in ["state", "log/bricks", "run"] {
            fs::create_dir_all(home.join(sub))?;
        }
        self.give_addresses()?;
        self.keep_gluster_apart(&home)?;
        let volfile = home.join("glusterd.vol");
        fs::write(&volfile, volfile_of(&home))?;
        let (volfile, log) = (volfile.to_string_lossy(), home.join("log/glusterd.log"));
        let (log_file, pid_file) = (log.to_string_lossy(), home.join("run/glusterd.pid"));
        let args = [
            "--no-daemon",
            &format!("--volfile={volfile}"),
            &format!("--log-file={log_file}"),
            &format!("--pid-file={}", pid_file.display()),
        ];
        let output = self.dir().join("glusterd.out");
        let mut daemon = self
            .host()
            .spawn("glusterd", &args, &output)
            .context("glusterd; `cargo xtask test` installs glusterfs-server")?;
        let socket = format!("--glusterd-sock={}", home.join("glusterd.sock").display());
        let list = ["--mode=script", &socket, "volume", "list"];
        wait_until("glusterd answers", || {
            !daemon.is_running() || self.inside_host("gluster", &list).is_ok()
        })?;
        if !daemon.is_running() {
            let said = [&output, &log].map(|path| fs::read_to_string(path).unwrap_or_default()).concat();
            bail!("glusterd ended; is glusterfs-server installed? {said}");
        }
        self.gluster = Some(Gluster { _daemon: daemon });
        Ok(())
    }

    /// Gluster takes no address of loopback. What goes to the storage comes from the host's own one, as if it were elsewhere.
    fn give_addresses(&self) -> Result<()> {
        let ip = |args: &[&str]| self.inside_host("ip", args).map(drop);
        for address in STORAGE.iter().chain([&HOST]) {
            ip(&["address", "add", &format!("{address}/32"), "dev", "lo"])?;
        }
        for address in STORAGE {
            ip(&["route", "replace", "local", address, "dev", "lo", "table", "local", "src", HOST])?;
        }
        Ok(())
    }

    /// The machine's own places of Gluster are not touched. And `gsyncd` is gone: where there is one, each start runs it
    /// several times, a second or more in all.
    fn keep_gluster_apart(&self, home: &Path) -> Result<()> {
        let root = PathBuf::from(format!("/proc/{}/root", self.host_pid()));
        let mount = |args: &[&str]| self.inside_host("mount", args).map(drop);
        let text = |path: &Path| path.to_string_lossy().into_owned();
        self.inside_host("mkdir", &["-p", "/run/gluster", "/var/lib/glusterd", "/var/log/glusterfs"])?;
        mount(&["--bind", &text(&home.join("state")), "/var/lib/glusterd"])?;
        mount(&["--bind", &text(&home.join("log")), "/var/log/glusterfs"])?;
        let mut places = vec!["/usr/libexec/glusterfs".to_owned()];
        for entry in fs::read_dir(root.join("usr/lib"))?.flatten() {
            places.push(format!("/usr/lib/{}/glusterfs", entry.file_name().to_string_lossy()));
        }
        for (number, place) in places.iter().enumerate() {
            let seen = root.join(place.trim_start_matches('/'));
            if !seen.join("gsyncd").exists() {
                continue;
            }
            // A directory with everything else in it covers the place.
            let cover = home.join(format!("cover-{number}"));
            for entry in fs::read_dir(&seen)?.flatten() {
                let target = cover.join(entry.file_name());
                if entry.file_name() == "gsyncd" {
                    continue;
                }
                if entry.path().is_dir() {
                    fs::create_dir_all(&target)?;
                } else {
                    fs::create_dir_all(&cover)?;
                    fs::write(&target, "")?;
                }
                let from = format!("{place}/{}", entry.file_name().to_string_lossy());
                mount(&["--bind", &from, &text(&target)])?;
            }
            mount(&["--rbind", &text(&cover), place])?;
        }
        Ok(())
    }
}

fn volfile_of(home: &Path) -> String {
    let home = home.display();
    format!(
        "volume management\n\
         type mgmt/glusterd\n\
         option working-directory {home}/state\n\
         option run-directory {home}/run\n\
         option glusterd-sockfile {home}/glusterd.sock\n\
         option transport-type socket\n\
         option event-threads 1\n\
         end-volume\n"
    )
}
