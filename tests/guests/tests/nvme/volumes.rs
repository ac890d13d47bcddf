//! Containers' volumes over NVMe/TCP.

use anyhow::{Context, Result, ensure};
use guests::{ENGINE, make_image};

use crate::Case;
use crate::cinder::URL;
use crate::machine::Machine;

pub(crate) const CASES: &[Case] = &[("a_volume_over_tcp_keeps_a_file_and_leaves_nothing", keeps)];

/// The plugin as the guest sees it.
const PROGRAM: &str = "/share/kuryr";
const CONFIGURATION: &str = "/etc/kuryr/fuxi.conf";
const SOCKET: &str = "UNIX-CONNECT:/run/docker/plugins/fuxi.sock";

impl Machine {
    fn serve(&mut self) -> Result<()> {
        let text = format!(
            "[DEFAULT]\nmy_ip = 127.0.0.1\nvolume_providers = cinder\n\
             [cinder]\nauth_url = http://127.0.0.1:5000/identity/v3\nusername = demo\npassword = secret\n\
             project_name = demo\nuser_domain_id = default\nproject_domain_id = default\n\
             endpoint_override = {URL}\nfstype = ext4\ndetach_delay = 0\n"
        );
        self.guest.write(CONFIGURATION, &text)?;
        let command = [PROGRAM, "serve", "--only", "fuxi", "--fuxi-config-file", CONFIGURATION];
        self.plugin = Some(self.guest.spawn(&command, &self.log_file("kuryr"))?);
        self.becomes("the plugin listens", |guest| {
            Ok(guest.run(&["socat", "-u", "OPEN:/dev/null", SOCKET])?.status.success())
        })?;
        self.engine = Some(self.guest.spawn(&ENGINE, &self.log_file("dockerd"))?);
        self.becomes("the engine answers", |guest| Ok(guest.run(&["docker", "version"])?.status.success()))?;
        make_image(&self.guest)
    }

    fn docker(&self, args: &[&str]) -> Result<String> {
        self.guest.must(&[&["docker"][..], args].concat())
    }

    fn sh(&self, script: &str) -> Result<String> {
        let run = ["run", "--rm", "--network=none", "--volume=kept:/data", "busybox", "sh", "-c", script];
        self.docker(&run)
    }
}

fn keeps(machine: &mut Machine) -> Result<()> {
    machine.start_cinder()?;
    machine.serve()?;
    machine.docker(&["volume", "create", "--driver=fuxi", "--opt=size=1", "kept"])?;
    ensure!(machine.all("attachments")?.is_empty(), "a volume that nobody uses is attached");
    let device = machine.sh("echo over the wire > /data/file; grep ' /data ' /proc/mounts")?;
    ensure!(device.starts_with("/dev/nvme"), "the volume was mounted as: {device}");
    machine.becomes("it is detached", |_| {
        Ok(machine.all("attachments")?.is_empty() && machine.controllers()?.is_empty())
    })?;
    ensure!(machine.sh("cat /data/file")? == "over the wire");
    machine.docker(&["volume", "rm", "kept"])?;
    machine.expect_no_volumes()?;
    let mut plugin = machine.plugin.take().context("no plugin")?;
    machine.guest.must(&["kill", "-TERM", &plugin.pid().to_string()])?;
    let ended = plugin.wait(crate::machine::PATIENCE);
    ensure!(ended.is_some_and(|status| status.success()), "the plugin ended badly: {ended:?}");
    Ok(())
}
