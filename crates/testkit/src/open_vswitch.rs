//! Open vSwitch on the world's host, by its own command.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::World;

/// The integration bridge of Neutron's agent.
pub(crate) const BRIDGE: &str = "br-int";
/// What names of the bridges of trunks start with.
pub(crate) const TRUNK_BRIDGE: &str = "tbr-";

impl World {
    /// Runs `ovs-vsctl`; what it prints.
    ///
    /// # Errors
    /// What it prints on standard error.
    pub fn ovs_vsctl(&self, args: &[&str]) -> Result<String> {
        self.inside_host("ovs-vsctl", &[&["--timeout=20"], args].concat())
    }

    /// Names of the switch's interfaces that carry our mark.
    ///
    /// # Errors
    /// When the switch does not answer.
    pub fn marked_ovs_interfaces(&self) -> Result<Vec<String>> {
        let find = ["--format=json", "--columns=name", "find", "Interface", "external_ids:owner=kuryr"];
        let table: Value =
            serde_json::from_str(&self.ovs_vsctl(&find)?).context("the answer of ovs-vsctl")?;
        let rows = table.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        let name = |row: &Value| row.get(0).and_then(Value::as_str).map(str::to_owned);
        Ok(rows.iter().filter_map(name).collect())
    }

    /// Runs a program on the host; what it prints.
    ///
    /// # Errors
    /// What it prints on standard error.
    pub fn inside_host(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.host().command(program).args(args).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} {}: {}", args.join(" "), said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
