//! How long the plugin takes to mount and unmount, through its socket, with a cloud that answers at once and a slow one.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::World;

use crate::log::Elsewhere;
use crate::socket::Plugin;

/// Milliseconds added to each answer of the cloud.
pub(crate) const LATENCIES: [u64; 2] = [0, 50];
/// Volumes for each latency.
const ROUNDS: usize = 8;

/// One operation with one latency.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    /// As in the count of calls.
    pub(crate) operation: &'static str,
    /// Added to each answer of the cloud, in milliseconds.
    pub(crate) latency: u64,
    /// The whole request, in milliseconds, sorted.
    pub(crate) whole: Vec<f64>,
    /// Of that, answers of the cloud.
    pub(crate) cloud: Vec<f64>,
    /// Of that, mkfs, fsck and blkid.
    pub(crate) programs: Vec<f64>,
    /// Of that, reading the device to prove that it is blank, and the kernel mounting it.
    pub(crate) device: Vec<f64>,
    /// What is left, in milliseconds, sorted.
    pub(crate) own: Vec<f64>,
}

/// Mounts and unmounts volumes.
pub(crate) fn measure(world: &World) -> Result<Vec<Timed>> {
    let mut plugin = Plugin::connect(&world.plugin_socket("fuxi"))?;
    let mut all = Vec::new();
    for latency in LATENCIES {
        let _ = world.cloud.admin("POST", "options", Some(json!({"latency_ms": latency})))?;
        for round in 0..ROUNDS {
            one_volume(world, &mut plugin, latency, &format!("timed-{latency}-{round}"), &mut all)?;
        }
    }
    let _ = world.cloud.admin("POST", "options", Some(json!({"latency_ms": 0})))?;
    for timed in &mut all {
        for values in
            [&mut timed.whole, &mut timed.cloud, &mut timed.programs, &mut timed.device, &mut timed.own]
        {
            values.sort_by(f64::total_cmp);
        }
    }
    Ok(all)
}

fn one_volume(
    world: &World,
    plugin: &mut Plugin,
    latency: u64,
    name: &str,
    all: &mut Vec<Timed>,
) -> Result<()> {
    plugin.ask("Create", &json!({"Name": name, "Opts": {"size": "1"}}))?;
    for (operation, method, id) in [
        ("first_mount", "Mount", "one"),
        ("another_container", "Mount", "two"),
        ("unmount_of_one_of_two", "Unmount", "one"),
        ("last_unmount", "Unmount", "two"),
        ("later_mount", "Mount", "three"),
        ("", "Unmount", "three"),
    ] {
        let seen = world.plugin_log().len();
        let (_, whole) = plugin.ask(method, &json!({"Name": name, "ID": id}))?;
        let elsewhere = Elsewhere::read(world.plugin_log().get(seen..).unwrap_or_default());
        // What goes on after the answer must not stand in the way of the next request.
        std::thread::sleep(Duration::from_millis(150 + 4 * latency));
        if !operation.is_empty() {
            entry(all, operation, latency).add(whole, elsewhere);
        }
    }
    plugin.ask_of("Remove", name).map(drop)
}

fn entry<'a>(all: &'a mut Vec<Timed>, operation: &'static str, latency: u64) -> &'a mut Timed {
    let at = all.iter().position(|t| t.operation == operation && t.latency == latency).unwrap_or_else(|| {
        let [whole, cloud, programs, device, own] = <[Vec<f64>; 5]>::default();
        all.push(Timed { operation, latency, whole, cloud, programs, device, own });
        all.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "it was found or added there")]
    &mut all[at]
}

impl Timed {
    fn add(&mut self, whole: f64, elsewhere: Elsewhere) {
        self.whole.push(whole);
        self.cloud.push(elsewhere.cloud);
        self.programs.push(elsewhere.programs);
        self.device.push(elsewhere.device);
        // Calls of one operation follow one another; what happens beside them costs no time of its own.
        self.own.push((whole - elsewhere.cloud - elsewhere.programs - elsewhere.device).max(0.0));
    }
}
