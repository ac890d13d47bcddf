//! Neutron failing in every way, at the calls of every operation: Docker gets one clear line, the user's repetition
//! works, and at the end nothing is leaked. What two attempts can hide is hidden.
//!
//! `crates/kuryr` has the same table complete, on doubles. Here, with real parts, the operations that take long try each
//! kind of fault at least once, going round their calls.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::{Fault, World};

use crate::Case;
use crate::addresses::{delete_port, make_port, network_of};
use crate::adopted::{delete_network, make_network};
use crate::networks::{create, remove, text};

pub(crate) const CASES: &[Case] = &[
    ("neutron_failing_during_network_create", network_create),
    ("neutron_failing_during_adoption_of_a_network", adoption),
    ("neutron_failing_during_a_dual_stack_network_create", dual_stack_create),
    ("neutron_failing_during_an_automatic_network_create", automatic),
    ("neutron_failing_during_network_rm", network_rm),
    ("neutron_failing_during_removal_of_an_adopted_network", adopted_rm),
    ("neutron_failing_during_run", run),
    ("neutron_failing_during_run_with_an_address_of_ones_own", run_with_address),
    ("neutron_failing_during_run_on_an_existing_port", run_on_port),
    ("neutron_failing_during_run_with_both_families", run_dual),
    ("neutron_failing_during_run_with_exposed_ports", run_exposed),
    ("neutron_failing_during_stop", stop),
    ("neutron_failing_during_stop_on_an_existing_port", stop_on_port),
    ("neutron_answering_too_late_during_network_create_and_run", too_late),
];

/// A way to fail.
#[derive(Clone, Copy)]
struct Failing {
    name: &'static str,
    action: fn() -> Value,
    /// What the text must say, if there is one.
    says: &'static str,
    /// Nobody may notice.
    hidden: bool,
    /// How many calls in a row.
    count: u32,
}

const fn refused(name: &'static str, action: fn() -> Value, says: &'static str) -> Failing {
    Failing { name, action, says, hidden: false, count: 1 }
}

/// Refused this once, and not executed.
const fn once(name: &'static str, action: fn() -> Value) -> Failing {
    Failing { name, action, says: "", hidden: true, count: 1 }
}

/// Once a whole second would do, hundreds of times it would not.
fn soon() -> Value {
    json!({"retry-after": "0"})
}

const WAYS: [Failing; 14] = [
    once("401 once", || json!({"status": 401})),
    Failing { count: 2, ..refused("401 twice", || json!({"status": 401}), "401") },
    refused("403", || json!({"status": 403}), "HTTP 403"),
    refused("404", || json!({"status": 404}), ""),
    refused("409", || json!({"status": 409}), "HTTP 409"),
    refused("413", || json!({"status": 413}), "HTTP 413"),
    once("429 with Retry-After", || json!({"status": 429, "headers": {"retry-after": "1"}})),
    Failing { count: 3, ..refused("429 without", || json!({"status": 429}), "HTTP 429") },
    refused("500", || json!({"status": 500}), "HTTP 500"),
    once("503 with Retry-After", || json!({"status": 503, "headers": soon()})),
    Failing { count: 3, ..refused("503 without", || json!({"status": 503}), "HTTP 503") },
    Failing { count: 3, ..refused("connection dropped", || json!({"drop": true}), "check that") },
    refused("answer lost", || json!({"lose_answer": true}), ""),
    Failing {
        count: 3,
        ..refused("429 for longer", || json!({"status": 429, "headers": soon()}), "HTTP 429")
    },
];

/// A call of an operation, with its ids replaced by `*`.
struct Target {
    method: &'static str,
    path: &'static str,
}

/// What the operation asks of Neutron, in order, each kind of call once. The operation has succeeded when this returns.
fn calls_of(world: &World, args: &[&str]) -> Result<Vec<Target>> {
    world.cloud.clear_log()?;
    world.docker(args)?;
    // What is written down after Docker's answer counts too.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut found: Vec<(String, String)> = Vec::new();
    for call in world.cloud.calls()?.into_iter().filter(|c| c.service == "network") {
        let is_id = |part: &str| part.len() == 36 && part.matches('-').count() == 4;
        let parts: Vec<&str> = call.path.split('/').map(|p| if is_id(p) { "*" } else { p }).collect();
        let known = (call.method, parts.join("/"));
        if !known.1.ends_with("/extensions") && !found.contains(&known) {
            found.push(known);
        }
    }
    ensure!(!found.is_empty(), "the command made no call, so nothing was tested");
    Ok(found.into_iter().map(|(method, path)| Target { method: method.leak(), path: path.leak() }).collect())
}

/// An operation: a command, and the way back to where it can be run again.
pub(crate) struct Operation<'a> {
    pub(crate) args: &'a [&'a str],
    pub(crate) reset: &'a dyn Fn(&World) -> Result<()>,
    /// Takes something away. A cloud that says it is not there is believed, so that lie is not told here.
    pub(crate) removes: bool,
    /// Every way at every call, instead of going round the calls.
    pub(crate) complete: bool,
}

impl Operation<'_> {
    pub(crate) fn check(&self, world: &mut World) -> Result<()> {
        let targets = calls_of(world, self.args)?;
        (self.reset)(world)?;
        let ways: Vec<Failing> =
            WAYS.into_iter().filter(|way| !(self.removes && way.name == "404")).collect();
        let mut cells = 0;
        for (at, way) in ways.iter().enumerate() {
            for (which, target) in targets.iter().enumerate() {
                if self.complete || at % targets.len() == which {
                    let cell = || format!("{} at {} {}", way.name, target.method, target.path);
                    self.one(world, target, *way).with_context(cell)?;
                    (self.reset)(world).with_context(cell)?;
                    cells += 1;
                }
            }
        }
        ensure!(cells >= ways.len(), "only {cells} cells");
        expire_late(world)
    }

    fn one(&self, world: &mut World, target: &Target, way: Failing) -> Result<()> {
        let Target { method, path } = *target;
        world.cloud.fault(&Fault { method, path, nth: 1, count: way.count, action: (way.action)() })?;
        let output = world.docker.try_run(self.args)?;
        world.cloud.clear_faults()?;
        if output.status.success() {
            return Ok(());
        }
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!way.hidden, "it was noticed: {error}");
        clear(&error, way)?;
        self.repeat(world)
    }

    fn repeat(&self, world: &World) -> Result<()> {
        if self.args.first() == Some(&"run") {
            // A failed `run` leaves the created container, as Docker always does.
            let _ = world.remove("one");
        }
        world.docker(self.args).map(drop).context("the user's repetition")
    }
}

/// One line that helps, and nothing that should not be in it.
fn clear(error: &str, way: Failing) -> Result<()> {
    let hint = |line: &&str| !line.trim().is_empty() && !line.contains("--help");
    let lines: Vec<&str> = error.lines().filter(hint).collect();
    let &[line] = lines.as_slice() else { bail!("not one line: {error}") };
    for secret in ["gAAAA", "password", "secret", "panicked", "src/", "backtrace"] {
        ensure!(!line.contains(secret), "`{secret}` is in the text: {line}");
    }
    ensure!(line.len() < 700 && line.contains(way.says), "`{}` is not in the text: {line}", way.says);
    ensure!(line.contains("cannot ") || line.contains("does not exist"), "what failed? {line}");
    Ok(())
}

/// What a request without an answer may still make is looked for during minutes. They pass.
pub(crate) fn expire_late(world: &mut World) -> Result<()> {
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    for collection in ["ports", "networks", "groups"] {
        for entry in std::fs::read_dir(world.state_dir().join(collection))? {
            let path = entry?.path();
            let mut row: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            if row["late_until"].is_u64() {
                row["late_until"] = json!(1);
                std::fs::write(&path, row.to_string())?;
            }
        }
    }
    world.start_plugin()
}

const CREATE: [&str; 6] = ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr"];
const OWN: [&str; 2] = ["--subnet", "10.20.0.0/24"];
const DUAL: [&str; 5] = ["--ipv6", "--subnet", "10.20.0.0/24", "--subnet", "fd20::/64"];
const RUN: [&str; 8] = ["run", "--detach", "--name", "one", "--stop-timeout", "0", "--network", "foo"];
const WHAT: [&str; 3] = ["busybox", "sleep", "1000"];

fn creating(world: &mut World, options: &[&str], complete: bool) -> Result<()> {
    let args = [&CREATE[..], options, &["foo"]].concat();
    let reset = |w: &World| remove(w, &[], &["foo"]);
    Operation { args: &args, reset: &reset, removes: false, complete }.check(world)
}

fn network_create(world: &mut World) -> Result<()> {
    creating(world, &OWN, true)
}

fn adoption(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.20.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    creating(world, &[&OWN[..], &["-o", &option]].concat(), true)?;
    delete_network(world, &id)
}

fn dual_stack_create(world: &mut World) -> Result<()> {
    creating(world, &DUAL, false)
}

fn automatic(world: &mut World) -> Result<()> {
    creating(world, &[], false)
}

fn network_rm(world: &mut World) -> Result<()> {
    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    let reset = |w: &World| create(w, "foo", "10.20.0.0/24", "10.20.0.1").map(drop);
    Operation { args: &["network", "rm", "foo"], reset: &reset, removes: true, complete: false }
        .check(world)?;
    remove(world, &[], &["foo"])
}

fn adopted_rm(world: &mut World) -> Result<()> {
    let id = make_network(world, "theirs", Some("10.20.0.0/24"))?;
    let option = format!("neutron.net.uuid={id}");
    let reset = |w: &World| w.create_network("foo", &[&OWN[..], &["-o", &option]].concat()).map(drop);
    reset(world)?;
    Operation { args: &["network", "rm", "foo"], reset: &reset, removes: true, complete: true }
        .check(world)?;
    remove(world, &[], &["foo"])?;
    delete_network(world, &id)
}

fn running(world: &mut World, network: &[&str], options: &[&str], complete: bool) -> Result<()> {
    world.create_network("foo", network)?;
    let args = [&RUN[..], options, &WHAT].concat();
    let reset = |w: &World| w.remove("one");
    Operation { args: &args, reset: &reset, removes: false, complete }.check(world)?;
    remove(world, &[], &["foo"])
}

fn run(world: &mut World) -> Result<()> {
    running(world, &OWN, &[], true)
}

fn run_with_address(world: &mut World) -> Result<()> {
    running(world, &OWN, &["--ip", "10.20.0.77"], false)
}

fn run_dual(world: &mut World) -> Result<()> {
    running(world, &DUAL, &[], false)
}

fn run_exposed(world: &mut World) -> Result<()> {
    running(world, &OWN, &["--expose", "1234-1238/udp"], false)
}

/// An adopted network with a port of its owner's; their ids.
fn with_port(world: &World) -> Result<(String, String)> {
    let network = make_network(world, "theirs", Some("10.20.0.0/24"))?;
    let port = make_port(world, &network_of(world, "10.20.0.0/24")?, "10.20.0.77", json!({}))?;
    Ok((network, text(&port, "id").to_owned()))
}

fn run_on_port(world: &mut World) -> Result<()> {
    let (network, port) = with_port(world)?;
    let option = format!("neutron.net.uuid={network}");
    running(world, &[&OWN[..], &["-o", &option]].concat(), &["--ip", "10.20.0.77"], false)?;
    delete_port(world, &port)?;
    delete_network(world, &network)
}

fn stopping(world: &mut World, network: &[&str], options: &[&str]) -> Result<()> {
    world.create_network("foo", network)?;
    world.run("one", &[&["--network", "foo"], options].concat())?;
    let reset = |w: &World| w.docker(&["start", "one"]).map(drop);
    let args = ["stop", "--time", "0", "one"];
    Operation { args: &args, reset: &reset, removes: true, complete: false }.check(world)?;
    remove(world, &["one"], &["foo"])
}

fn stop(world: &mut World) -> Result<()> {
    stopping(world, &OWN, &["--expose", "1234/udp"])
}

fn stop_on_port(world: &mut World) -> Result<()> {
    let (network, port) = with_port(world)?;
    let option = format!("neutron.net.uuid={network}");
    stopping(world, &[&OWN[..], &["-o", &option]].concat(), &["--ip", "10.20.0.77"])?;
    delete_port(world, &port)?;
    delete_network(world, &network)
}

/// A request is held for longer than we wait, and then takes effect all the same.
fn too_late(world: &mut World) -> Result<()> {
    let config = world.dir().join("kuryr.conf");
    let usual = std::fs::read_to_string(&config)?;
    // `[neutron]` is the last section.
    std::fs::write(&config, format!("{usual}timeout = 2\n"))?;
    ensure!(world.stop_plugin(), "the plugin did not stop in order");
    world.start_plugin()?;
    let way = refused("held", || json!({"hold": "before"}), "no answer within 2 s");
    let late = |world: &mut World, operation: &Operation<'_>, path: &'static str| -> Result<()> {
        let fault = Fault { method: "POST", path, nth: 1, count: 1, action: (way.action)() };
        world.cloud.fault(&fault)?;
        let output = world.docker.try_run(operation.args)?;
        world.cloud.clear_faults()?;
        ensure!(!output.status.success(), "an answer out of nothing");
        clear(&String::from_utf8_lossy(&output.stderr), way)?;
        operation.repeat(world)
    };
    let args = [&CREATE[..], &OWN, &["foo"]].concat();
    let creation = Operation { args: &args, reset: &|_| Ok(()), removes: false, complete: true };
    for path in ["/networking/v2.0/subnetpools", "/networking/v2.0/networks", "/networking/v2.0/subnets"] {
        late(world, &creation, path).context(path)?;
        remove(world, &[], &["foo"])?;
    }
    world.create_network("foo", &OWN)?;
    let args = [&RUN[..], &WHAT].concat();
    let start = Operation { args: &args, reset: &|_| Ok(()), removes: false, complete: true };
    late(world, &start, "/networking/v2.0/ports")?;
    remove(world, &["one"], &[])?;
    std::fs::write(&config, usual)?;
    expire_late(world)?;
    remove(world, &[], &["foo"])
}
