//! Any other vif type: a site's executable `<bindir>/<vif type>` puts the pair's host end where it belongs.
//!
//! Arguments are those kuryr-libnetwork's own scripts are given, in its order, which differs between the verbs.

use openstack::network::Port;
use serde_json::{Map, Value};

use super::veth;
use crate::state::{Driver, HookCall, Plug};
use crate::{Error, Host, Result};

pub(super) fn validate(port: &Port, endpoint: &str) -> Driver {
    Driver::Hook(HookCall {
        vif_type: port.vif_type.clone().unwrap_or_default(),
        endpoint: endpoint.to_owned(),
        network: port.network_id.clone(),
        project: port.project_id.clone(),
        details: python_dict(&port.vif_details),
    })
}

pub(super) async fn setup(host: &Host, plug: &Plug, call: &HookCall) -> Result<()> {
    veth::setup(host, plug).await?;
    let HookCall { vif_type, endpoint, network, project, details } = call;
    let mac = plug.mac.to_string();
    let arguments = ["bind", &plug.port_id, &plug.host, endpoint, &mac, network, project, details];
    if run(host, plug, vif_type, &arguments).await? {
        return Ok(());
    }
    let reason = format!("[DEFAULT] bindir has no executable `{vif_type}` any more; put it back");
    Err(Error::Conflict { what: "port", resource: plug.port_id.clone(), reason })
}

async fn run(host: &Host, plug: &Plug, vif_type: &str, arguments: &[&str]) -> Result<bool> {
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    host.hooks.run(vif_type, &arguments).await.map_err(|source| Error::Script {
        script: vif_type.to_owned(),
        verb: arguments.first().cloned().unwrap_or_default(),
        port: plug.port_id.clone(),
        source,
    })
}

/// Once the link is gone, a script that still fails has nothing left to do: it cannot keep the endpoint for ever.
pub(super) async fn teardown(host: &Host, plug: &Plug, call: &HookCall) -> Vec<Error> {
    let HookCall { vif_type, endpoint, network, details, .. } = call;
    let mac = plug.mac.to_string();
    let there = host.links.link_exists(&plug.host).await.unwrap_or(true);
    let arguments = ["unbind", &plug.port_id, &plug.host, endpoint, &mac, details, network];
    let mut failures = Vec::new();
    match run(host, plug, vif_type, &arguments).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(port = plug.port_id, vif_type, "the script that would unplug it is gone"),
        Err(error) if !there => tracing::warn!(%error, "the link is gone already"),
        Err(error) => failures.push(error),
    }
    failures.extend(veth::teardown(host, plug).await.err());
    failures
}

/// `vif_details` the way Python prints a dictionary, between double quotes; `None` for an empty one.
fn python_dict(details: &Map<String, Value>) -> String {
    if details.is_empty() {
        return "None".to_owned();
    }
    let mut text = String::from("\"");
    write_map(&mut text, details);
    text.push('"');
    text
}

fn write_map(text: &mut String, map: &Map<String, Value>) {
    text.push('{');
    for (n, (key, value)) in map.iter().enumerate() {
        if n > 0 {
            text.push_str(", ");
        }
        write_text(text, key);
        text.push_str(": ");
        write_value(text, value);
    }
    text.push('}');
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => write_text(text, string),
        Value::Array(list) => {
            text.push('[');
            for (n, item) in list.iter().enumerate() {
                if n > 0 {
                    text.push_str(", ");
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => write_map(text, map),
    }
}

/// Single quotes, unless only those occur in the text.
fn write_text(text: &mut String, string: &str) {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for c in string.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c == quote => text.extend(['\\', c]),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                text.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => text.push(c),
        }
    }
    text.push(quote);
}
