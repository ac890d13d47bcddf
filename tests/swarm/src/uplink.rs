//! What an agent of Neutron's does on each node of a real cloud: joins the bridges of one network across hosts. The driver
//! plugs containers into `brq...`; here each such bridge gets a VXLAN over the wire, whose number follows from the network's id.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wire::{NIC, ip};

/// Of the names of Neutron's bridges.
const BRIDGE: &str = "brq";
/// Not that of Docker's overlays.
const PORT: &str = "4790";
/// How often is looked for bridges: containers' first packets are sent again after a second.
const LOOK: Duration = Duration::from_millis(100);

/// The agent of one node; ends when dropped.
#[derive(Debug)]
pub(crate) struct Uplinks {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Uplinks {
    /// Starts it for the host whose first process is `init`.
    pub(crate) fn start(init: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut joined = BTreeSet::new();
            while !told.load(Ordering::Relaxed) {
                let found = bridges(init);
                joined.retain(|bridge| found.contains(bridge));
                for bridge in found.difference(&joined.clone()) {
                    // A bridge may be gone again; the next look tells.
                    if join(init, bridge).is_ok() {
                        joined.insert(bridge.clone());
                    }
                }
                std::thread::sleep(LOOK);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Uplinks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bridges(init: u32) -> BTreeSet<String> {
    let links = PathBuf::from(format!("/proc/{init}/root/sys/class/net"));
    let all = std::fs::read_dir(links).into_iter().flatten().flatten();
    all.map(|link| link.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(BRIDGE))
        .collect()
}

fn join(init: u32, bridge: &str) -> Result<()> {
    let id = bridge.strip_prefix(BRIDGE).unwrap_or(bridge);
    let number = u32::from_str_radix(id.get(..6).unwrap_or(id), 16).context("the network's id")?;
    let (link, number) = (format!("vxl{id}"), number.to_string());
    let made = ip(
        init,
        &[
            "link",
            "add",
            &link,
            "type",
            "vxlan",
            "id",
            &number,
            "group",
            "239.99.0.1",
            "dev",
            NIC,
            "dstport",
            PORT,
        ],
    );
    // One that an earlier look made only in part is completed.
    let there = ip(init, &["link", "show", &link]);
    made.or(there)?;
    ip(init, &["link", "set", bridge, "type", "bridge", "mcast_snooping", "0"])?;
    ip(init, &["link", "set", &link, "master", bridge, "up"]).map(drop)
}
