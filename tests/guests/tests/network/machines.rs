//! Guests themselves.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use guests::{Neutron, Pair, Spot, Wiring};
use testkit::World;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("guests_boot_and_return_exit_codes", Wiring::Plain, guests_boot_and_return_exit_codes),
    ("a_guest_has_no_way_out", Wiring::Plain, a_guest_has_no_way_out),
    ("a_guest_that_is_killed_boots_again_with_its_disk", Wiring::Plain, a_killed_guest_boots_again),
    ("dockerd_runs_in_a_guest", Wiring::Plain, dockerd_runs_in_a_guest),
    ("kuryr_in_a_guest_reaches_neutron", Wiring::Plain, kuryr_in_a_guest_reaches_neutron),
];

fn guests_boot_and_return_exit_codes(_: &World, pair: &mut Pair) -> Result<()> {
    let guest = &pair.one.guest;
    let output = guest.run(&["sh", "-c", "echo out; echo err >&2; exit 7"])?;
    ensure!(output.status.code() == Some(7), "{}", output.status);
    ensure!(output.stdout == b"out\n" && output.stderr == b"err\n", "{output:?}");
    ensure!(guest.run(&["sh", "-c", "kill -KILL $$"])?.status.signal() == Some(9), "a signal is told");
    ensure!(guest.run(&["no-such-program"]).is_err(), "a program that is not there is told");
    let echoed = guest.run_with(&["cat"], &vec![b'x'; 300_000], Duration::from_secs(20))?;
    ensure!(echoed.stdout.len() == 300_000, "{} bytes came back", echoed.stdout.len());
    let started = Instant::now();
    ensure!(guest.run_with(&["sleep", "30"], b"", Duration::from_secs(1)).is_err(), "a deadline is kept");
    ensure!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // What was cut short is ended, and so is what runs in the background when it is let go of.
    let sleeper = guest.spawn(&["sleep", "31"], &guest.dir().join("sleep.log"))?;
    ensure!(sleeper.is_running());
    drop(sleeper);
    ensure!(!guest.run(&["pgrep", "--exact", "sleep"])?.status.success(), "sleepers are left");
    let names = [&pair.one, &pair.two].map(|instance| instance.guest.must(&["hostname"]));
    ensure!(names[0].as_ref().ok() != names[1].as_ref().ok(), "{names:?}");
    Ok(())
}

fn a_guest_has_no_way_out(_: &World, pair: &mut Pair) -> Result<()> {
    let guest = &pair.one.guest;
    let routes = guest.must(&["ip", "route", "show", "table", "all"])?;
    ensure!(!routes.contains("default"), "{routes}");
    ensure!(!guest.run(&["ip", "route", "get", "192.0.2.1"])?.status.success(), "there is a route");
    // Not even for somebody who wants one: whoever is at the other end of the wires has none either.
    let owner = guest.must(&["ip", "-brief", "address", "show", "mgmt0"])?;
    let address = owner.split_whitespace().nth(2).and_then(|a| a.split('/').next()).unwrap_or_default();
    let (net, last) = address.rsplit_once('.').unwrap_or_default();
    let owner = format!("{net}.{}", last.parse::<u8>()? - 1);
    guest.must(&["ip", "route", "add", "192.0.2.0/24", "via", &owner])?;
    let (answered, said) = Spot::guest(guest).run(&["ping", "-c2", "-i0.2", "-W1", "192.0.2.1"])?;
    guest.must(&["ip", "route", "delete", "192.0.2.0/24"])?;
    ensure!(!answered && said.contains("Unreachable"), "{said}");
    // Neutron is reached all the same.
    let token = guest.run(&["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:5000/identity/v3"])?;
    ensure!(String::from_utf8_lossy(&token.stdout).contains("version"), "{token:?}");
    Ok(())
}

fn a_killed_guest_boots_again(_: &World, pair: &mut Pair) -> Result<()> {
    let guest = &mut pair.two.guest;
    guest.write("/var/lib/lab/kept", "this")?;
    guest.must(&["sync"])?;
    guest.kill();
    ensure!(guest.run(&["true"]).is_err(), "it still answers");
    guest.boot()?;
    ensure!(guest.must(&["cat", "/var/lib/lab/kept"])? == "this");
    guest.must(&["rm", "-r", "/var/lib/lab"])?;
    guest.reboot()?;
    ensure!(!guest.run(&["test", "-e", "/var/lib/lab"])?.status.success(), "an order was lost");
    guests::ping(&pair.one.spot(), pair.two.address())
}

fn dockerd_runs_in_a_guest(_: &World, pair: &mut Pair) -> Result<()> {
    pair.start_engines()?;
    ensure!(pair.one.docker(&["run", "--rm", "--network=none", "busybox", "echo", "hello"])? == "hello");
    ensure!(pair.one.docker(&["info", "--format", "{{.Driver}}"])? == "overlay2");
    let container = pair.one.run("sleeper", &["--network=none"])?;
    ensure!(container.spot.must(&["ip", "-oneline", "link", "show"])?.lines().count() == 1);
    pair.one.remove("sleeper")?;
    // An engine that crashes finds its images again.
    pair.one.kill_engine();
    pair.one.start_engine()?;
    ensure!(pair.one.docker(&["images", "--quiet", "busybox"])?.lines().count() == 1);
    pair.one.stop_engine()?;
    pair.two.stop_engine()
}

fn kuryr_in_a_guest_reaches_neutron(world: &World, pair: &mut Pair) -> Result<()> {
    let neutron = Neutron::of(world);
    let one = &mut pair.one;
    one.serve(None)?;
    one.create_network("made-inside", &["--subnet", "10.90.0.0/24"])?;
    let subnets = neutron.list("subnets", "cidr=10.90.0.0/24")?;
    ensure!(subnets.len() == 1, "{subnets:?}");
    one.crash_plugin()?;
    one.remove_network("made-inside")?;
    ensure!(neutron.list("subnets", "cidr=10.90.0.0/24")?.is_empty(), "the subnet is left");
    ensure!(one.stop_plugin()?, "the plugin did not end in order");
    one.stop_engine()
}
