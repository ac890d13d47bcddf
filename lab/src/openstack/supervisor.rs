//! The process that owns the running lab.

use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use debian_root::say;
use private_host::{PrivateHost, Settings};
use tokio::signal::unix::{SignalKind, signal};

use super::services::{
    DHCP_AGENT, EPMD, KEYSTONE, MARIADB, MEMCACHED, NEUTRON_API, NEUTRON_RPC, OVS_AGENT, OVSDB, RABBIT,
    Services, VSWITCHD,
};
use super::state::{Phase, State};
use super::{HOST, UpOptions, image, layout, ready};

/// Starts the lab and owns it until it is told to end. Started by `up`, which prepared the image.
///
/// # Errors
/// What did not get ready.
pub fn supervise(options: &UpOptions) -> Result<()> {
    // Not of the terminal that `up` was typed in.
    rustix::process::setsid().context("leave the session")?;
    let _owner = own_lock()?;
    let mut state = State { supervisor: std::process::id(), init: 0, phase: Phase::Starting };
    state.write()?;
    let outcome = own(options, &mut state);
    if let Err(error) = &outcome {
        state.phase = Phase::Failed(format!("{error:#}"));
        state.write()?;
    }
    outcome
}

/// Whoever asks for the status holds the lock for an instant; only a supervisor holds it longer.
fn own_lock() -> Result<File> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if let Some(lock) = layout::supervisor_lock()? {
            return Ok(lock);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("another supervisor owns the lab")
}

fn own(options: &UpOptions, state: &mut State) -> Result<()> {
    let started = Instant::now();
    let settings = Settings {
        name: HOST.into(),
        dir: layout::host(),
        root: image::current_root()?,
        share: vec![layout::share()],
    };
    std::fs::create_dir_all(layout::share()).context("create the shared directory")?;
    let host = PrivateHost::start(&settings)?;
    state.init = host.pid();
    state.write()?;
    let mut services = Services::new(&host, &layout::logs())?;
    start(&mut services, options, started)?;
    // Not before: until here a signal ends us at once, and the host with us.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut term, mut int) = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    state.phase = Phase::Up;
    state.write()?;
    runtime.block_on(async {
        let mut told: Vec<&str> = Vec::new();
        loop {
            tokio::select! {
                _ = term.recv() => return,
                _ = int.recv() => return,
                () = tokio::time::sleep(Duration::from_secs(2)) => {}
            }
            for name in services.ended() {
                if !told.contains(&name) {
                    say(&format!("{name} ended by itself"));
                    told.push(name);
                }
            }
        }
    });
    Ok(())
}

fn start(services: &mut Services<'_>, options: &UpOptions, started: Instant) -> Result<()> {
    let step = |what: &str| say(&format!("{:>6.1} s  {what}", started.elapsed().as_secs_f32()));
    let long = Duration::from_secs(180);
    step("the host is there");
    for service in [&MARIADB, &EPMD, &RABBIT, &OVSDB, &MEMCACHED, &KEYSTONE] {
        services.start(service)?;
    }
    services.wait(&OVSDB, long)?;
    services.inside(&["ovs-vsctl", "--no-wait", "init"])?;
    services.inside(&["ovs-vsctl", "--no-wait", "set", "Open_vSwitch", ".", "external_ids:system-id=lab"])?;
    services.start(&VSWITCHD)?;
    services.wait(&MARIADB, long)?;
    step("the database answers");
    services.start(&NEUTRON_API)?;
    services.start(&NEUTRON_RPC)?;
    services.inside(&["ip", "address", "replace", "10.255.255.1/32", "dev", "lo"])?;
    let bridge = ["set", "bridge", "br-phys", "datapath_type=netdev"];
    services.inside(&[&["ovs-vsctl", "--may-exist", "add-br", "br-phys", "--"], &bridge[..]].concat())?;
    step("Open vSwitch answers");
    services.wait(&RABBIT, long)?;
    step("the message queue answers");
    services.start(&OVS_AGENT)?;
    if options.dhcp {
        services.start(&DHCP_AGENT)?;
    }
    for service in [&KEYSTONE, &NEUTRON_API, &MEMCACHED] {
        services.wait(service, long)?;
    }
    ready::wait(services.netns(), options.dhcp, long, &step)?;
    step("up");
    Ok(())
}
