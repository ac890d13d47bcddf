//! `kuryr status`.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use crate::arguments::StatusArguments;
use crate::error::Error;
use crate::{output, serve, settings};

pub(crate) fn run(args: &StatusArguments) -> Result<(), Error> {
    let configuration = settings::load(&args.sources, None)?;
    let network = configuration.network.map(|n| n.state_dir);
    let Some(state_dir) = network.or(configuration.volume.map(|v| v.state_dir)) else {
        return Err(Error::NoConfiguration);
    };
    let socket = serve::status_path(&state_dir);
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = ask().map_err(|e| Error::NotServing { socket: socket.clone(), reason: e.to_string() })?;
    if args.json {
        output::line(text);
        return Ok(());
    }
    let status: Value = serde_json::from_str(&text)
        .map_err(|e| Error::NotServing { socket: socket.clone(), reason: e.to_string() })?;
    show(&status);
    Ok(())
}

fn show(status: &Value) {
    output::line(format_args!("kuryr {} (pid {})", plain(&status["version"]), plain(&status["pid"])));
    for (part, kinds) in
        [("network", ["networks", "endpoints", "pools"].as_slice()), ("volume", &["volumes"])]
    {
        for kind in kinds {
            let rows = status[part].get(kind).and_then(Value::as_array).cloned().unwrap_or_default();
            output::line(format_args!("{kind}: {}", rows.len()));
            for row in rows.iter().filter_map(Value::as_object) {
                let cells: Vec<String> = row
                    .iter()
                    .filter(|(_, v)| !v.is_null())
                    .map(|(k, v)| format!("{k}={}", plain(v)))
                    .collect();
                output::line(format_args!("  {}", cells.join(" ")));
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
