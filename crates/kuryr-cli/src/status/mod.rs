//! `kuryr status`.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::arguments::StatusArguments;
use crate::error::Error;
use crate::serve::requests::{Request, ask};
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
        match ask(socket, &Request::Status {}, PATIENCE) {
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
