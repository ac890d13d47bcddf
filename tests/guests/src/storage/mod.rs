//! Real Cinder and real Manila, in a guest of their own: volumes over iSCSI and shares over NFS.

mod catalogue;
mod cinder;
mod client;
mod manila;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab::vm::{Guest, GuestOptions, GuestProcess, Kind, STORAGE, Segment};
use testkit::World;

pub use catalogue::Catalogue;
pub use cinder::{Attachment, Cinder, MULTIATTACH, NFS, Volume};
pub use client::Session;
pub use manila::{Manila, Share};

/// Interpreters start slowly in a guest, the more so on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// From boot; longer than all cases together.
const LIMIT: Duration = Duration::from_secs(3600);
/// In MiB.
const MEMORY: u32 = 1280;

/// A service: its name in logs, its program in the guest with its configuration, its port, the first part of the paths
/// that lead to it through the front.
struct Service {
    name: &'static str,
    command: [&'static str; 3],
    port: u16,
    prefix: &'static str,
}

const SERVICES: [Service; 2] = [
    Service {
        name: "cinder",
        command: ["lab-cinder", "--config-file", "/etc/cinder/cinder.conf"],
        port: 8776,
        prefix: "volume",
    },
    Service {
        name: "manila",
        command: ["lab-manila", "--config-file", "/etc/manila/manila.conf"],
        port: 8786,
        prefix: "share",
    },
];

/// The storage guest with its services. Dropping it ends it; nothing of it is kept.
#[derive(Debug)]
pub struct Storage {
    processes: Vec<GuestProcess>,
    /// The guest.
    pub guest: Guest,
    logs: PathBuf,
}

impl Storage {
    /// Boots it on the network for storage and starts its services. They are of use after [`Storage::open`].
    ///
    /// # Errors
    /// What failed.
    pub fn start(world: &World, segment: &Segment) -> Result<Self> {
        let options = GuestOptions {
            kind: Kind::Storage,
            memory: MEMORY,
            limit: LIMIT,
            nics: vec![segment.plug_storage()?],
            // Keystone itself and its memory of tokens.
            ports: vec![5001, 11211],
            ..GuestOptions::new("storage")
        };
        let guest = Guest::start(world.host(), options)?;
        guest.must(&["lab-storage"])?;
        let mut storage = Self { processes: Vec::new(), guest, logs: world.dir().to_owned() };
        for service in &SERVICES {
            let process = storage.guest.spawn(&service.command, &storage.log_file(service.name))?;
            storage.processes.push(process);
        }
        Ok(storage)
    }

    /// Waits until the services take orders, has the world's front stand before them, and makes the types of volumes
    /// and shares: a default one of each, [`MULTIATTACH`] and [`NFS`]. The services are in the catalogue as long as what this
    /// gives back is kept.
    ///
    /// # Errors
    /// What does not get ready, with the end of its log.
    pub fn open(&mut self, world: &mut World) -> Result<Catalogue> {
        let end = Instant::now() + PATIENCE;
        for service in &SERVICES {
            let port = format!("TCP:{STORAGE}:{},connect-timeout=2", service.port);
            self.wait(end, "listens", || {
                Ok(self.guest.run(&["socat", "-u", "OPEN:/dev/null", &port])?.status.success())
            })?;
        }
        let urls = SERVICES.map(|s| (s.prefix, format!("http://{STORAGE}:{}", s.port)));
        world.stand_before(&urls.each_ref().map(|(prefix, url)| (*prefix, url.as_str())))?;
        let (cinder, manila) = (Cinder::of(world, "admin")?, Manila::of(world, "admin"));
        self.wait(end, "knows what it can hold", || Ok(cinder.has_pools()? && manila.has_pools()?))?;
        cinder.make_types()?;
        manila.make_types()?;
        Catalogue::enter(world)
    }

    fn wait(&self, end: Instant, what: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
        while !holds()? {
            let running = self.processes.iter().all(GuestProcess::is_running);
            if !running || Instant::now() > end {
                bail!("one of Cinder and Manila in the storage guest never {what}:\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// What is given out and what it is made of: logical volumes, iSCSI targets, NFS exports, mounts. Comparable with a
    /// later look.
    ///
    /// # Errors
    /// When the guest does not answer.
    pub fn held(&self) -> Result<Vec<String>> {
        let looks: [&[&str]; 4] = [
            // The pool grows in what is used of it, which is nobody's.
            &["lvs", "--noheadings", "--options", "vg_name,lv_name"],
            &["tgtadm", "--lld", "iscsi", "--mode", "target", "--op", "show"],
            &["exportfs"],
            &["findmnt", "--noheadings", "--list", "--output", "TARGET", "--types", "ext4"],
        ];
        let mut all = Vec::new();
        for look in looks {
            let text = self.guest.must(look).context("look at what storage holds")?;
            let name = look.first().copied().unwrap_or_default();
            all.extend(text.lines().map(|line| format!("{name} in storage: {}", line.trim())));
        }
        Ok(all)
    }

    /// The ends of what the services logged, and of the guest's console.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        let mut add = |what: &str, text: &str| {
            let lines: Vec<&str> = text.lines().rev().take(60).collect();
            all.push_str(&format!("--- {what} of storage ---\n"));
            lines.into_iter().rev().for_each(|line| all.push_str(&format!("{line}\n")));
        };
        for service in &SERVICES {
            let text = std::fs::read(self.log_file(service.name)).unwrap_or_default();
            add(service.name, &String::from_utf8_lossy(&text));
        }
        add("console", &self.guest.console());
        all
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}
