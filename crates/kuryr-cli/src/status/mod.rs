//! `kuryr status`.

mod table;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::arguments::StatusArguments;
use crate::error::Error;
use crate::{output, serve, settings};

/// A status is small and at hand.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &StatusArguments) -> Result<(), Error> {
    let sockets: Vec<PathBuf> =
        settings::state_dirs(&args.sources)?.iter().map(|dir| serve::status_path(dir)).collect();
    let status = gather(&sockets)?;
    if args.json {
        output::line(Value::Object(status));
    } else {
        output::line(table::render(&status).trim_end());
    }
    Ok(())
}

/// One report out of those that answer: the plugins may run in two processes.
fn gather(sockets: &[PathBuf]) -> Result<Map<String, Value>, Error> {
    let mut whole: Option<Map<String, Value>> = None;
    let mut failure = Error::NoConfiguration;
    for socket in sockets {
        match ask(socket) {
            Err(reason) => failure = Error::NotServing { socket: socket.clone(), reason },
            Ok(part) => match &mut whole {
                None => whole = Some(part),
                Some(whole) => {
                    let missing =
                        part.into_iter().filter(|(key, _)| whole.get(key).is_none_or(Value::is_null));
                    whole.extend(missing.collect::<Vec<_>>());
                }
            },
        }
    }
    whole.ok_or(failure)
}

fn ask(socket: &Path) -> Result<Map<String, Value>, String> {
    let read = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| format!("its answer is no status: {e}"))
}
