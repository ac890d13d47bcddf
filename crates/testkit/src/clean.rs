//! The rule every case ends with: nothing left behind, nothing missing.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::world::wait_at_most;
use crate::{CloudKind, NIC, World};

/// Attributes that move by themselves and say nothing about whether a thing was given back as found.
const RESTLESS: [&str; 5] = ["revision_number", "updated_at", "status", "attached_at", "availability_zones"];
/// Agents need their time on a real cloud.
const PATIENCE: Duration = Duration::from_secs(40);

/// The cloud's objects by collection and id.
pub type Inventory = BTreeMap<String, Value>;

impl World {
    /// What is in the cloud, comparable with a later look.
    ///
    /// # Errors
    /// When the cloud does not answer.
    pub fn inventory(&self) -> Result<Inventory> {
        let state = self.cloud.state()?;
        let mut found = Inventory::new();
        for (collection, objects) in state.as_object().into_iter().flatten() {
            let list: Vec<&Value> = match objects {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => continue,
            };
            for object in list {
                let Some(id) = object.get("id").and_then(Value::as_str) else { continue };
                let mut object = object.clone();
                if let Some(map) = object.as_object_mut() {
                    map.retain(|key, _| !RESTLESS.contains(&key.as_str()));
                    map.values_mut().for_each(sort_texts);
                }
                found.insert(format!("{collection}/{id}"), object);
            }
        }
        // Every project gets its default group at first use, by whoever comes first.
        found.retain(|_, object| object.get("name").and_then(Value::as_str) != Some("default"));
        // Part of their network's life: an agent makes and removes them as it sees fit.
        found.retain(|_, object| object.get("device_owner").and_then(Value::as_str) != Some("network:dhcp"));
        found.retain(|key, _| !key.starts_with("security_group_rules/"));
        // What Manila tells about failures expires by itself, also when the share is long gone.
        found.retain(|key, _| !key.starts_with("share_messages/"));
        Ok(found)
    }

    /// Fails unless the cloud is as in `before`, and engine, kernel and journal hold nothing of ours.
    ///
    /// # Errors
    /// A list of what is left, missing or changed.
    pub fn expect_clean(&self, before: &Inventory) -> Result<()> {
        let mut problems = Vec::new();
        self.drop_neighbours();
        let waited = wait_at_most(PATIENCE, "everything is given back", || {
            problems = self.leftovers(before).unwrap_or_else(|e| vec![e.to_string()]);
            problems.is_empty()
        });
        match waited {
            Ok(()) => Ok(()),
            Err(_) => bail!("left behind or changed:\n  {}", problems.join("\n  ")),
        }
    }

    fn leftovers(&self, before: &Inventory) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let now = self.inventory()?;
        for (key, object) in &now {
            match before.get(key) {
                None => problems.push(format!("left in the cloud: {key}: {object}")),
                Some(old) if old != object => problems.push(format!("changed: {key}: {old} -> {object}")),
                Some(_) => {}
            }
        }
        problems.extend(before.keys().filter(|k| !now.contains_key(*k)).map(|k| format!("missing: {k}")));
        for args in [
            &["ps", "--all", "--quiet"][..],
            &["network", "ls", "--quiet", "--filter", "type=custom"],
            &["volume", "ls", "--quiet", "--filter", "driver=fuxi"],
        ] {
            let left = self.docker(args)?;
            if !left.is_empty() {
                problems.push(format!("docker {}: {left}", args.join(" ")));
            }
        }
        let links = self.inside_host("ip", &["-brief", "link"])?;
        let left = |line: &&str| (is_ours(line) && !self.is_machines(line)) || stands_on_machine(line);
        problems.extend(links.lines().filter(left).map(|l| format!("link: {l}")));
        if let CloudKind::OpenStack = self.kind() {
            problems.extend(self.marked_ovs_interfaces()?.iter().map(|i| format!("Open vSwitch: {i}")));
        }
        for dir in
            fs::read_dir(self.state_dir()).into_iter().flatten().flatten().filter(|d| d.path().is_dir())
        {
            for entry in fs::read_dir(dir.path())?.flatten() {
                problems.push(format!("journal: {}", entry.path().display()));
            }
        }
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", self.host_pid()))?;
        let cloud = self.dir().join("cloud");
        let of_ours = |line: &&str| line.contains("/dev/loop") || line.contains("fuse.glusterfs");
        problems.extend(mounts.lines().filter(of_ours).map(|l| format!("mount: {l}")));
        for device in fs::read_dir("/sys/block")?.flatten() {
            let backing = fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
            if backing.starts_with(&*cloud.to_string_lossy()) {
                problems.push(format!("loop device: {} on {backing}", device.path().display()));
            }
        }
        Ok(problems)
    }
}

/// Whether a line of `ip -brief link` names a link as a binding makes them.
pub(crate) fn is_ours(line: &str) -> bool {
    ["tap", "t_c", "qvo", "qvb", "qbr"].iter().any(|prefix| line.starts_with(prefix))
}

/// Whether a line of `ip -brief link` names a link on top of a virtual machine's interface, whatever it is called.
fn stands_on_machine(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|name| name.ends_with(&format!("@{NIC}")))
        && !line.starts_with("tap")
}

/// Real services list tags and the like in any order.
fn sort_texts(value: &mut Value) {
    if let Value::Array(items) = value
        && items.iter().all(Value::is_string)
    {
        items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}
