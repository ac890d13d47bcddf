//! A swarm to look at: `up`, `down`, `run NODE COMMAND...`, `power NODE on|off`, `wire NODE on|off`. Called by `cargo xtask lab swarm`.

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use private_host::{Place, Root};
use swarm::{Cluster, Node, Options};

fn main() -> ExitCode {
    private_host::intercept();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["hold"] => hold(),
        ["up"] => up(),
        ["run", node, program, rest @ ..] => run(node, program, rest),
        ["down"] => ask("down").map(drop),
        ["power" | "wire", _, "on" | "off"] => ask(&args.join(" ")).map(|said| println!("{said}")),
        _ => Err(anyhow::anyhow!("use up, down, run NODE COMMAND..., power NODE on|off, wire NODE on|off")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn home() -> PathBuf {
    let lab = std::env::var_os("KURYR_LAB").map_or_else(|| "/var/lib/kuryr-lab/roots".into(), PathBuf::from);
    lab.join("swarm")
}

fn socket() -> PathBuf {
    home().join("control.sock")
}

/// Starts the process that owns the cluster, and waits for it.
fn up() -> Result<()> {
    if let Ok(nodes) = ask("nodes") {
        println!("{nodes}");
        return Ok(());
    }
    std::fs::create_dir_all(home())?;
    let log = std::fs::File::create(home().join("lab.log"))?;
    let mut owner = Command::new("/proc/self/exe")
        .arg("hold")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Not of the terminal that `up` was typed in.
        .process_group(0)
        .spawn()?;
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        if let Ok(nodes) = ask("nodes") {
            println!("{nodes}");
            return Ok(());
        }
        let log = home().join("lab.log");
        ensure!(
            owner.try_wait()?.is_none() && Instant::now() < end,
            "the swarm is not up; see {}",
            log.display()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Owns the cluster until it is told to end.
fn hold() -> Result<()> {
    let given = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        value.with_context(|| format!("{name} is not set; run `cargo xtask lab swarm up`"))
    };
    let mut cluster = Cluster::start(&Options {
        kuryr: given("KURYR_TEST_BINARY")?,
        plugins: given("KURYR_TEST_PLUGINS")?,
        root: given("KURYR_TEST_ROOT").map_or(Root::Machine, Root::Tree),
        managers: 3,
        workers: 2,
        set: Vec::new(),
    })?;
    let _ = std::fs::remove_file(socket());
    let listener = UnixListener::bind(socket())?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut line = String::new();
        BufReader::new(stream.try_clone()?).read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["down"] {
            break;
        }
        let said = obey(&mut cluster, &words).unwrap_or_else(|error| format!("error: {error:#}"));
        let _ = stream.write_all(said.as_bytes());
    }
    let _ = std::fs::remove_file(socket());
    Ok(())
}

fn obey(cluster: &mut Cluster, words: &[&str]) -> Result<String> {
    match words {
        ["nodes"] => {
            let line = |node: &Node| {
                let init = node.init().map_or_else(|_| "off".to_owned(), |pid| pid.to_string());
                format!("{} {} {init} {}", node.name(), node.address(), node.dir().display())
            };
            Ok(cluster.nodes().iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        ["power", name, "off"] => {
            cluster.node_mut(name)?.lose_power();
            Ok(format!("{name} is off"))
        }
        ["power", name, _] => cluster.boot_again(name).map(|()| format!("{name} is on")),
        ["wire", name, state] => {
            cluster.set_connected(name, *state == "on").map(|()| format!("{name}'s wire is {state}"))
        }
        _ => bail!("not understood"),
    }
}

/// Tells the owner; what it says.
fn ask(line: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket()).context("no swarm is up")?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stream, &mut said)?;
    match said.strip_prefix("error: ") {
        Some(error) => bail!("{error}"),
        None => Ok(said),
    }
}

fn run(node: &str, program: &str, args: &[&str]) -> Result<()> {
    let nodes = ask("nodes")?;
    let line = nodes.lines().find(|line| line.split(' ').next() == Some(node)).context("no such node")?;
    let words: Vec<&str> = line.split(' ').collect();
    let [_, _, init, dir] = words.as_slice() else { bail!("the owner's answer is not understood") };
    let place = Place::join(init.parse().context("the node is off")?, std::path::Path::new(dir))?;
    let mut command = place.command(program);
    command.args(args).env("DOCKER_HOST", "unix:///run/docker.sock");
    Err(command.exec().into())
}
