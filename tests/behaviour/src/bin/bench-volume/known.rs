//! Answers about volumes when there are many.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::socket::Plugin;

/// Volumes.
pub(crate) const MANY: usize = 5_000;
/// Questions about one volume of this host each.
const QUESTIONS: usize = 2_000;
/// Questions that the cloud is asked for, and lists.
const FEW: usize = 20;
/// Seconds of one measurement at most.
const ENOUGH: Duration = Duration::from_secs(20);
/// A prime, so that neighbours in the list are not asked for one after the other.
const STRIDE: usize = 1_999;

/// One kind of question.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The question and whose volumes they are.
    pub(crate) what: &'static str,
    /// Milliseconds, sorted.
    pub(crate) times: Vec<f64>,
    /// Calls of Cinder, all questions together.
    pub(crate) calls: usize,
    /// Volumes in the first and in the last answer, of a list.
    pub(crate) listed: Option<(usize, usize)>,
}

/// The result.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) asked: Vec<Asked>,
    /// Milliseconds from the plugin's start until its sockets listen, with so many records in its journal.
    pub(crate) start: f64,
    /// KiB resident afterwards.
    pub(crate) memory: u64,
}

/// Asks about the volumes of another host, and about the same ones as this host's own.
pub(crate) fn measure(world: &mut World) -> Result<Known> {
    let mut asked = Vec::new();
    let entry = entry_of_a_volume(world)?;
    let volumes = put_into_cloud(world)?;
    let mut plugin = Plugin::connect(&world.plugin_socket("fuxi"))?;
    asked.push(lists(world, &mut plugin, "List, another host's")?);
    asked.push(questions(world, &mut plugin, "Get", "Get, another host's", FEW)?);
    asked.push(questions(world, &mut plugin, "Path", "Path, another host's", QUESTIONS)?);
    drop(plugin);

    // As if this host had made them.
    world.stop_plugin();
    for (n, id) in volumes.iter().enumerate() {
        let mut entry = entry.clone();
        for (key, value) in [("name", name(n)), ("volume_id", id.clone()), ("token", token(n))] {
            *entry.get_mut(key).with_context(|| format!("no {key} in a journal entry"))? = value.into();
        }
        let file = world.state_dir().join("volumes").join(format!("{}.json", name(n)));
        fs::write(file, entry.to_string())?;
    }
    let begun = Instant::now();
    world.start_plugin()?;
    let start = begun.elapsed().as_secs_f64() * 1000.0;
    let mut plugin = Plugin::connect(&world.plugin_socket("fuxi"))?;
    asked.push(lists(world, &mut plugin, "List, own")?);
    for (method, what) in [("Get", "Get, own"), ("Path", "Path, own")] {
        asked.push(questions(world, &mut plugin, method, what, QUESTIONS)?);
    }
    Ok(Known { asked, start, memory: resident(world)? })
}

fn name(n: usize) -> String {
    format!("many-{n:05}")
}

fn token(n: usize) -> String {
    format!("10000000-0000-4000-8000-{n:012}")
}

/// The journal's entry of a volume at rest that this host made.
fn entry_of_a_volume(world: &World) -> Result<Value> {
    let mut plugin = Plugin::connect(&world.plugin_socket("fuxi"))?;
    plugin.ask("Create", &json!({"Name": "model", "Opts": {"size": "1"}}))?;
    let file = world.state_dir().join("volumes/model.json");
    let entry = serde_json::from_slice(&fs::read(&file).with_context(|| file.display().to_string())?)?;
    plugin.ask_of("Remove", "model")?;
    Ok(entry)
}

/// Puts volumes into Cinder with the marks of a host that never formatted them; their ids. Only the first is made by a
/// call: so many calls take the development cloud minutes. The others become copies of it in the cloud's state file.
fn put_into_cloud(world: &mut World) -> Result<Vec<String>> {
    let project = world.cloud.project("demo")?;
    let marks = json!({"volume_from": "fuxi", "docker_volume_name": name(0), "fstype": "ext4",
                       "fuxi_fs": "pending", "fuxi_request": token(0)});
    let body = json!({"volume": {"name": name(0), "size": 1, "metadata": marks}});
    let made = world.cloud.api("POST", &format!("/volume/v3/{project}/volumes"), Some(body))?;
    let first = text(made.pointer("/volume/id"))?;
    await_made(world, &format!("/volume/v3/{project}/volumes/{first}"))?;

    world.stop_cloud();
    let file = world.dir().join("cloud/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let volumes = state.pointer_mut("/volume/volumes").and_then(Value::as_object_mut);
    let volumes = volumes.context("no volumes in the cloud's state file")?;
    let model = volumes.get(&first).cloned().context("the volume is not in the cloud's state file")?;
    let mut ids = vec![first];
    for n in 1..MANY {
        let id = format!("20000000-0000-4000-8000-{n:012}");
        let mut copy = model.clone();
        for (at, value) in [
            ("/id", id.clone()),
            ("/name", name(n)),
            ("/metadata/docker_volume_name", name(n)),
            ("/metadata/fuxi_request", token(n)),
        ] {
            *copy.pointer_mut(at).with_context(|| format!("no {at} in a volume"))? = value.into();
        }
        volumes.insert(id.clone(), copy);
        ids.push(id);
    }
    fs::write(&file, state.to_string())?;
    world.start_cloud()?;
    Ok(ids)
}

fn await_made(world: &World, path: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if text(world.cloud.api("GET", path, None)?.pointer("/volume/status"))? == "available" {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("a volume is still being made after 30 s")
}

fn text(value: Option<&Value>) -> Result<String> {
    value.and_then(Value::as_str).map(str::to_owned).context("Cinder's answer lacks a word")
}

fn questions(
    world: &World,
    plugin: &mut Plugin,
    method: &str,
    what: &'static str,
    most: usize,
) -> Result<Asked> {
    world.cloud.clear_log()?;
    let begun = Instant::now();
    let mut times = Vec::new();
    for n in 0..most {
        times.push(plugin.ask_of(method, &name(n * STRIDE % MANY))?);
        if begun.elapsed() > ENOUGH {
            break;
        }
    }
    finish(world, what, times, None)
}

fn lists(world: &World, plugin: &mut Plugin, what: &'static str) -> Result<Asked> {
    world.cloud.clear_log()?;
    let (mut times, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..FEW {
        let (answer, took) = plugin.ask("List", &json!({}))?;
        times.push(took);
        counts.push(answer.get("Volumes").and_then(Value::as_array).map(Vec::len).unwrap_or_default());
        // The next one is not to meet the refresh of this one.
        std::thread::sleep(Duration::from_millis(500));
    }
    let (first, last) = (counts.first().copied(), counts.last().copied());
    ensure!(last == Some(MANY), "{what}: {last:?} volumes listed, {MANY} are there");
    finish(world, what, times, first.zip(last))
}

fn finish(
    world: &World,
    what: &'static str,
    mut times: Vec<f64>,
    listed: Option<(usize, usize)>,
) -> Result<Asked> {
    times.sort_by(f64::total_cmp);
    Ok(Asked { what, times, calls: world.cloud.calls()?.len(), listed })
}

fn resident(world: &World) -> Result<u64> {
    let pid = world.plugin_pid().context("the plugin does not run")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.context("no resident size in /proc")
}
