//! How fast packets travel between two guests, on the bare link and between containers in each mode, and what many
//! containers at once cost in calls of Neutron, in one run.

#![allow(clippy::print_stdout, reason = "the table is the result")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Parser;
use guests::{Binding, Instance, Pair, PairOptions, RANGE, Spot, Wiring, ping};
use private_host::Root;
use serde_json::json;
use testkit::{CloudKind, World, WorldOptions};

/// A guest has one processor for all that are started at once.
const PATIENCE: Duration = Duration::from_secs(280);
/// Echoes whose times are averaged.
const ECHOES: &str = "200";
/// Sent by TCP, in bytes.
const SENT: u64 = 48 << 20;
/// Containers that are started, and stopped, at the same moment in one guest.
const AT_ONCE: usize = 32;
const PORT: u16 = 7777;
const NAME: &str = "bench";

#[derive(Debug, Parser)]
struct Arguments {
    /// The `kuryr` binary.
    #[arg(long)]
    kuryr: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// One line of the table.
struct Line {
    what: String,
    /// Round trip, milliseconds: middle and longest.
    echo: (f64, f64),
    /// Megabits per second.
    throughput: f64,
    /// Neutron's calls for each of many containers: to start and to stop.
    calls: Option<(f64, f64)>,
}

fn main() -> Result<()> {
    lab::vm::intercept();
    private_host::intercept();
    let arguments = Arguments::parse();
    let options =
        WorldOptions { kuryr: arguments.kuryr.clone(), root: Root::Machine, cloud: CloudKind::OpenStack };
    let world = World::start(&options)?;
    let mut lines = Vec::new();
    if !arguments.json {
        println!(
            "| between two guests | echo | longest | TCP | calls each of {AT_ONCE} at once: start, stop |"
        );
        println!("|---|---|---|---|---|");
    }
    // Each as it comes: all of them take some minutes.
    let mut tell = |line: Line| {
        if !arguments.json {
            let Line { what, echo, throughput, calls } = &line;
            let calls = calls.map(|(start, stop)| format!("{start:.2}, {stop:.2}")).unwrap_or_default();
            println!("| {what} | {:.2} ms | {:.1} ms | {throughput:.0} Mbit/s | {calls} |", echo.0, echo.1);
        }
        lines.push(line);
    };
    for (wiring, name, bindings) in [
        (Wiring::Plain, "plain port", &[Binding::Macvlan, Binding::Ipvlan][..]),
        (Wiring::Trunk, "parent of a trunk", &[Binding::Vlan][..]),
    ] {
        let mut pair = Pair::start(&world, &PairOptions { wiring, storage: None, kuryr: &arguments.kuryr })?;
        let bare = (pair.one.spot(), pair.two.spot());
        tell(measure(format!("bare link, {name}"), &bare.0, &bare.1, pair.two.address())?);
        for binding in bindings {
            pair.serve(Some(*binding))?;
            tell(containers(&world, &pair, *binding)?);
        }
    }
    if arguments.json {
        let all = lines.iter().map(|line| {
            json!({"what": line.what, "echo_ms": line.echo.0, "longest_echo_ms": line.echo.1,
                   "mbit_per_s": line.throughput, "calls_to_start": line.calls.map(|c| c.0),
                   "calls_to_stop": line.calls.map(|c| c.1)})
        });
        println!("{}", json!({"data_path": all.collect::<Vec<_>>()}));
    }
    Ok(())
}

/// Between two containers, one in each guest, on the guests' network.
fn containers(world: &World, pair: &Pair, binding: Binding) -> Result<Line> {
    let (one, two) = (&pair.one, &pair.two);
    let id = format!("neutron.net.uuid={}", pair.network.id);
    for machine in [one, two] {
        machine.create_network(NAME, &["--subnet", RANGE, "--opt", &id])?;
    }
    let (a, b) = (one.run("ca", &["--network", NAME])?, two.run("cb", &["--network", NAME])?);
    let line =
        measure(format!("{binding:?}").to_lowercase(), &a.spot, &b.spot, &two.container_address("cb", NAME)?);
    let clear = |machine: &Instance, name: &str| -> Result<()> {
        machine.remove(name)?;
        machine.remove_network(NAME)
    };
    one.remove("ca")?;
    let calls = at_once(world, one)?;
    one.remove_network(NAME)?;
    clear(two, "cb")?;
    Ok(Line { calls: Some(calls), ..line? })
}

/// Starts and stops many containers in one guest; Neutron's calls for each.
fn at_once(world: &World, machine: &Instance) -> Result<(f64, f64)> {
    let names: Vec<String> = (0..AT_ONCE).map(|n| format!("c{n}")).collect();
    let all = |act: &(dyn Fn(&str) -> Result<()> + Sync)| -> Result<f64> {
        world.cloud.clear_log()?;
        std::thread::scope(|scope| {
            let started: Vec<_> = names.iter().map(|name| scope.spawn(move || act(name))).collect();
            started.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        let calls = u32::try_from(world.cloud.calls()?.len())?;
        Ok(f64::from(calls) / f64::from(u32::try_from(AT_ONCE)?))
    };
    let patiently = |command: &[&str]| -> Result<()> {
        let done = machine.guest.run_with(command, b"", PATIENCE)?;
        if !done.status.success() {
            bail!("{}: {}", command.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(())
    };
    let run = ["docker", "run", "--detach", "--stop-timeout", "0", "--network", NAME, "--name"];
    let start = all(&|name| patiently(&[&run[..], &[name, "busybox", "sleep", "1000"]].concat()))?;
    let stop = all(&|name| patiently(&["docker", "rm", "--force", name]))?;
    Ok((start, stop))
}

fn measure(what: String, from: &Spot<'_>, to: &Spot<'_>, address: &str) -> Result<Line> {
    ping(from, address)?;
    let told = from.must(&["ping", "-q", "-c", ECHOES, "-i", "0.01", address])?;
    // rtt min/avg/max/mdev = 0.261/0.412/1.010/0.101 ms
    let times = told.lines().find_map(|line| line.split_once("= ")).context("ping told no times")?.1;
    let mut times = times.split(['/', ' ']).map(str::parse::<f64>);
    let (Some(Ok(_)), Some(Ok(middle)), Some(Ok(longest))) = (times.next(), times.next(), times.next())
    else {
        bail!("ping told `{told}`");
    };
    Ok(Line { what, echo: (middle, longest), throughput: throughput(from, to, address)?, calls: None })
}

fn throughput(from: &Spot<'_>, to: &Spot<'_>, address: &str) -> Result<f64> {
    let listen = format!("TCP-LISTEN:{PORT},bind={address},reuseaddr");
    let _listener = to.listen(&["socat", "-u", &listen, "OPEN:/dev/null"], PORT)?;
    let source = format!("OPEN:/dev/zero,readbytes={SENT}");
    let started = Instant::now();
    // It ends when the other end has taken everything.
    from.must(&["socat", "-u", "-b", "65536", &source, &format!("TCP:{address}:{PORT}")])?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    let megabits = (SENT * 8) as f64 / 1e6;
    Ok(megabits / started.elapsed().as_secs_f64())
}
