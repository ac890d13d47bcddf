//! Counts the calls each Docker operation costs, and measures the idle plugin. Prints a table, or with `--json` one
//! object, and fails when a budget of `SPECIFICATION.md` is exceeded.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use private_host::Root;
use serde_json::{Map, Value, json};
use testkit::{CloudKind, World, WorldOptions};

/// Name, budget, unit.
const BUDGETS: [(&str, u64, &str); 10] = [
    ("network_create", 4, "Neutron calls"),
    ("run", 2, "Neutron calls"),
    ("stop", 1, "Neutron calls"),
    ("network_rm", 2, "Neutron calls"),
    ("volume_create", 2, "Cinder calls, polls aside"),
    ("volume_first_mount", 3, "Cinder calls"),
    ("volume_second_container", 0, "Cinder calls"),
    ("volume_last_unmount", 1, "Cinder calls"),
    ("idle_memory_kib", 20 * 1024, "KiB resident"),
    ("activate_ms", 50, "ms from start to the first answer, cloud unreachable"),
];

/// Starts of the plugin of which the median counts.
const STARTS: usize = 9;

fn main() -> ExitCode {
    private_host::intercept();
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut kuryr = None;
    let mut as_json = false;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--kuryr" => kuryr = rest.next().map(PathBuf::from),
            "--json" => as_json = true,
            other => bail!("unknown argument {other}; use --kuryr FILE [--json]"),
        }
    }
    let options = WorldOptions {
        kuryr: kuryr.context("--kuryr FILE is needed")?,
        root: Root::Machine,
        cloud: CloudKind::from_environment()?,
    };
    let measured = measure(&mut World::start(&options)?)?;
    let number = |name: &str| measured.get(name).and_then(Value::as_u64);
    let held = BUDGETS.iter().all(|(name, budget, _)| number(name).is_some_and(|n| n <= *budget));
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{}", Value::Object(measured))?;
    } else {
        writeln!(out, "{:<26}{:>10}{:>10}", "operation", "measured", "budget")?;
        for (name, budget, unit) in BUDGETS {
            let value = number(name).map_or_else(|| "-".to_owned(), |n| n.to_string());
            writeln!(out, "{name:<26}{value:>10}{budget:>10}  {unit}")?;
        }
    }
    Ok(held)
}

fn measure(world: &mut World) -> Result<Map<String, Value>> {
    let mut measured = Map::new();
    // The first operation also pays for discovery, once in the life of the process.
    world.docker(&[
        "network",
        "create",
        "-d",
        "kuryr",
        "--ipam-driver",
        "kuryr",
        "--subnet",
        "10.21.0.0/24",
        "warm",
    ])?;
    world.run("warm", &["--network", "warm"])?;
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", "warm"])?;
    world.docker(&["run", "--rm", "--network", "none", "-v", "warm:/data", "busybox", "true"])?;
    settle(world);

    let network =
        ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.20.0.0/24", "foo"];
    let run =
        ["run", "-d", "--name", "one", "--network", "foo", "--stop-timeout", "0", "busybox", "sleep", "1000"];
    for (name, args) in [
        ("network_create", &network[..]),
        ("run", &run),
        ("stop", &["stop", "--time", "0", "one"]),
        ("network_rm", &["network", "rm", "foo"]),
    ] {
        let calls = counted(world, args)?;
        measured.insert(name.into(), json!(calls.len()));
        if name == "stop" {
            world.remove("one")?;
        }
    }
    let calls = counted(world, &["volume", "create", "-d", "fuxi", "-o", "size=1", "vol"])?;
    let posted =
        calls.iter().position(|method| method == "POST").context("the volume was made without a POST")?;
    let polls = calls.iter().skip(posted + 1).filter(|method| *method == "GET").count();
    measured.insert("volume_create".into(), json!(calls.len() - polls));
    measured.insert("volume_create_polls".into(), json!(polls));
    let mount = |name| {
        [
            "run",
            "-d",
            "--name",
            name,
            "--network",
            "none",
            "-v",
            "vol:/data",
            "--stop-timeout",
            "0",
            "busybox",
            "sleep",
            "1000",
        ]
    };
    for (name, args) in [
        ("volume_first_mount", &mount("one")[..]),
        ("volume_second_container", &mount("two")),
        ("volume_last_unmount", &["stop", "--time", "0", "one", "two"]),
    ] {
        measured.insert(name.into(), json!(counted(world, args)?.len()));
    }
    for container in ["one", "two", "warm"] {
        world.remove(container)?;
    }
    for volume in ["vol", "warm"] {
        world.docker(&["volume", "rm", volume])?;
    }
    world.docker(&["network", "rm", "warm"])?;
    process(world, &mut measured)?;
    Ok(measured)
}

/// Methods of the calls a command costs, in order, what it leaves to the background included.
fn counted(world: &World, args: &[&str]) -> Result<Vec<String>> {
    world.cloud.clear_log()?;
    world.docker(args)?;
    settle(world);
    Ok(world.cloud.calls()?.into_iter().map(|call| call.method).collect())
}

fn settle(_: &World) {
    std::thread::sleep(Duration::from_millis(1500));
}

fn process(world: &mut World, measured: &mut Map<String, Value>) -> Result<()> {
    world.stop_plugin();
    world.stop_cloud();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        world.launch_plugin()?;
        activate(&world.plugin_socket("kuryr"), started)?;
        times.push(started.elapsed());
        world.await_plugin()?;
        world.kill_plugin();
    }
    times.sort();
    let median = times.get(STARTS / 2).copied().unwrap_or_default();
    measured.insert("activate_ms".into(), json!(median.as_millis()));
    world.start_cloud()?;
    world.start_plugin()?;
    std::thread::sleep(Duration::from_secs(1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.plugin_pid().unwrap_or_default()))?;
    let resident =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_whitespace().next());
    let kib: u64 = resident.and_then(|k| k.parse().ok()).context("no resident size in /proc")?;
    measured.insert("idle_memory_kib".into(), json!(kib));
    Ok(())
}

/// The first question Docker asks, as soon as anybody answers.
fn activate(socket: &Path, since: Instant) -> Result<()> {
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(_) if since.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_micros(500))
            }
            Err(error) => return Err(error).context("the plugin does not listen"),
        }
    };
    stream.write_all(b"POST /Plugin.Activate HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if &answer == b"HTTP/1.1 200" { Ok(()) } else { bail!("{}", String::from_utf8_lossy(&answer)) }
}
