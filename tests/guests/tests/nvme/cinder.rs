//! Real Cinder, whose volumes the kernel's target gives out.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::Case;
use crate::machine::{Machine, PATIENCE};

pub(crate) const CASES: &[Case] =
    &[("cinder_says_how_a_volume_is_reached_over_tcp_and_that_is_so", attachment)];

/// As its configuration has it.
pub(crate) const LOG: &str = "/var/log/cinder.log";
/// Without authentication any project will do.
pub(crate) const URL: &str = "http://127.0.0.1:8776/v3/6b75727972";

impl Machine {
    /// Starts Cinder unless it runs, and waits until volumes can be made.
    pub(crate) fn start_cinder(&mut self) -> Result<()> {
        if self.cinder.is_none() {
            let command = ["/usr/sbin/lab-cinder", "--config-file=/etc/cinder/cinder.conf"];
            self.cinder = Some(self.guest.spawn(&command, &self.log_file("cinder"))?);
        }
        // Its services are up before they are ready; and to ask all the time would take the time they need.
        let ready = ["grep", "--quiet", "Driver post RPC initialization completed", LOG];
        self.becomes("Cinder's driver is ready", |guest| Ok(guest.run(&ready)?.status.success()))?;
        self.becomes("Cinder has a pool to make volumes in", |_| {
            let told = self.api("GET", "/scheduler-stats/get_pools", None);
            Ok(told.is_ok_and(|pools| pools["pools"].as_array().is_some_and(|pools| !pools.is_empty())))
        })
    }

    /// Asks Cinder.
    pub(crate) fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("{URL}{path}");
        let mut command = vec!["curl", "--silent", "--show-error", "--max-time", "100", "--request", method];
        for header in ["Content-Type: application/json", "OpenStack-API-Version: volume 3.54"] {
            command.extend(["--header", header]);
        }
        command.extend(["--write-out", "\n%{http_code}"]);
        if body.is_some() {
            command.extend(["--data", "@-"]);
        }
        command.push(&url);
        let input = body.map(Value::to_string).unwrap_or_default();
        let output = self.guest.run_with(&command, input.as_bytes(), PATIENCE)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (answer, code) = text.rsplit_once('\n').context("curl said nothing")?;
        if !code.starts_with('2') {
            bail!("{method} {path}: {code} {answer}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_str(answer)? })
    }

    /// Volumes or attachments.
    pub(crate) fn all(&self, what: &str) -> Result<Vec<Value>> {
        let mut all = self.api("GET", &format!("/{what}"), None)?;
        Ok(all[what].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    fn volume_is(&self, id: &str, status: &str) -> Result<()> {
        self.becomes(&format!("volume {id} is {status}"), |_| {
            let volume = self.api("GET", &format!("/volumes/{id}"), None)?;
            ensure!(volume["volume"]["status"] != "error", "Cinder failed: {volume}");
            Ok(volume["volume"]["status"] == status)
        })
    }

    /// Waits until Cinder has no volume and no attachment.
    pub(crate) fn expect_no_volumes(&self) -> Result<()> {
        self.becomes("Cinder has no volume and no attachment", |_| {
            Ok(self.all("attachments")?.is_empty() && self.all("volumes")?.is_empty())
        })
    }
}

fn attachment(machine: &mut Machine) -> Result<()> {
    machine.start_cinder()?;
    let made = machine.api("POST", "/volumes", Some(&json!({"volume": {"size": 1, "name": "one"}})))?;
    let volume = made["volume"]["id"].as_str().context("no id")?.to_owned();
    machine.volume_is(&volume, "available")?;
    let connector = json!({"host": "guest", "ip": "127.0.0.1", "initiator": "iqn.2024-01.com.example:guest",
                           "nqn": "nqn.2014-08.org.nvmexpress:uuid:7a7a7a7a-0000-0000-0000-000000000000",
                           "platform": "x86_64", "os_type": "linux", "multipath": false});
    let body = json!({"attachment": {"volume_uuid": volume, "connector": connector, "mode": "rw"}});
    let attached = machine.api("POST", "/attachments", Some(&body))?;
    let attachment = attached["attachment"]["id"].as_str().context("no id")?.to_owned();
    let info = &attached["attachment"]["connection_info"];
    let text = |key: &str| -> Result<String> {
        info[key].as_str().map(str::to_owned).with_context(|| format!("no text `{key}` in {info}"))
    };
    ensure!(info["driver_volume_type"] == "nvmeof" && info["transport_type"] == "tcp", "{info}");
    let (address, port, nqn) = (text("target_portal")?, text("target_port")?, text("nqn")?);
    machine
        .guest
        .write("/dev/nvme-fabrics", &format!("transport=tcp,traddr={address},trsvcid={port},nqn={nqn}"))?;
    let controller = machine.controllers()?.pop().context("no controller came")?;
    // Not the paths to it, which have a `c` for the controller in their names.
    let found = ["find", "/sys/block/", "-name", "nvme*n*", "!", "-name", "nvme*c*"];
    machine.becomes("the namespace is a device", |guest| Ok(!guest.must(&found)?.is_empty()))?;
    let disk = machine.guest.must(&found)?;
    let read = |name: &str| machine.guest.must(&["cat", &format!("{disk}/{name}")]);
    ensure!(read("uuid")? == volume, "the namespace is called {}, the volume {volume}", read("uuid")?);
    ensure!(read("nsid")? == text("ns_id")?, "the namespace has the number {}: {info}", read("nsid")?);
    ensure!(read("size")? == (1 << 21).to_string(), "it has {} sectors", read("size")?);
    let path = format!("/sys/class/nvme/{controller}/delete_controller");
    machine.guest.write(&path, "1")?;
    machine.api("DELETE", &format!("/attachments/{attachment}"), None)?;
    machine.volume_is(&volume, "available")?;
    machine.api("DELETE", &format!("/volumes/{volume}"), None)?;
    machine.expect_no_volumes()
}
