//! One case for every defect we know of the predecessor, named after its number in `docs/defects.md`, that shows the
//! behaviour wanted instead.

pub(crate) mod containers;
pub(crate) mod networks;
pub(crate) mod ports;
pub(crate) mod process;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::World;

use crate::networks::{list, text};

/// Asks the plugin as an engine would; status and body of the answer.
fn ask(world: &World, method: &str, body: &Value) -> Result<(u16, Value)> {
    let body = body.to_string();
    let mut stream = UnixStream::connect(world.plugin_socket("kuryr"))?;
    write!(
        stream,
        "POST /{method} HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer: `{answer}`"))?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no status")?;
    Ok((status, serde_json::from_str(body).with_context(|| format!("not JSON: `{body}`"))?))
}

/// As [`ask`], for what must succeed.
fn asked(world: &World, method: &str, body: &Value) -> Result<Value> {
    let (status, answer) = ask(world, method, body)?;
    ensure!(status == 200 && text(&answer, "Err").is_empty(), "{method} {body}: {status} {answer}");
    Ok(answer)
}

/// The requests to Neutron since the log was cleared, with query and body.
pub(crate) fn requests(world: &World) -> Result<Vec<Value>> {
    let log = world.cloud.admin("GET", "log", None)?;
    let entries = log.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(entries.into_iter().filter(|e| text(e, "path").starts_with("/networking/")).collect())
}

/// The requests of a method whose path ends so.
fn requests_to(world: &World, method: &str, end: &str) -> Result<Vec<Value>> {
    let fits = |e: &Value| text(e, "method") == method && text(e, "path").ends_with(end);
    Ok(requests(world)?.into_iter().filter(fits).collect())
}

/// Makes something in Neutron as the operator does; the object.
fn make(world: &World, collection: &str, key: &str, body: Value) -> Result<Value> {
    let path = format!("/networking/v2.0/{collection}");
    let answer = world.cloud.api_as("admin", "POST", &path, Some(json!({key: body})))?;
    Ok(answer[key].clone())
}

/// Changes something in Neutron as the operator does.
fn change(world: &World, collection: &str, key: &str, id: &str, body: Value) -> Result<()> {
    let path = format!("/networking/v2.0/{collection}/{id}");
    world.cloud.api_as("admin", "PUT", &path, Some(json!({key: body}))).map(drop)
}

/// Removes something from Neutron as the operator does.
fn delete(world: &World, collection: &str, id: &str) -> Result<()> {
    world.cloud.api_as("admin", "DELETE", &format!("/networking/v2.0/{collection}/{id}"), None).map(drop)
}

/// An object without what changes by itself.
fn show(world: &World, collection: &str, id: &str) -> Result<Value> {
    let mut found = list(world, collection, &format!("id={id}"))?;
    ensure!(found.len() == 1, "{collection} {id}: {found:?}");
    let mut found = found.remove(0);
    if let Some(map) = found.as_object_mut() {
        for restless in ["revision_number", "updated_at", "status"] {
            map.remove(restless);
        }
    }
    Ok(found)
}

/// The one port with an address.
fn port_at(world: &World, address: &str) -> Result<Value> {
    let mut ports = list(world, "ports", &format!("fixed_ips=ip_address={address}"))?;
    ensure!(ports.len() == 1, "ports with {address}: {ports:?}");
    Ok(ports.remove(0))
}

/// Whether an option stands in the file decides more than one case: serves with further lines in sections of
/// `kuryr.conf`, and afterwards as before.
pub(crate) fn configured(
    world: &mut World,
    sections: &[(&str, &str)],
    case: impl FnOnce(&mut World) -> Result<()>,
) -> Result<()> {
    let file = world.dir().join("kuryr.conf");
    let usual = std::fs::read_to_string(&file)?;
    let mut special = usual.clone();
    for (section, lines) in sections {
        let header = format!("[{section}]\n");
        special = if special.contains(&header) {
            special.replacen(&header, &format!("{header}{lines}\n"), 1)
        } else {
            format!("{special}\n{header}{lines}\n")
        };
    }
    world.stop_plugin();
    std::fs::write(&file, special)?;
    let outcome = world.start_plugin().and_then(|()| case(world));
    world.stop_plugin();
    std::fs::write(&file, usual)?;
    world.start_plugin()?;
    outcome
}

/// The error text of a container that must not start.
pub(crate) fn run_fails(world: &World, name: &str, args: &[&str]) -> Result<String> {
    world.docker_fails(&[&["run", "--name", name][..], args, &["busybox", "true"]].concat())
}
