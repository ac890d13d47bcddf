//! `kuryr gc`: by the running service, or by this process if none runs. The journal's lock keeps both from working at
//! once.

mod table;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::arguments::{GcArguments, Plugin};
use crate::error::Error;
use crate::serve::requests::{Request, ask};
use crate::serve::services;
use crate::{in_runtime, output, serve, settings};

/// Lists of a large cloud and the removal of many things take their time.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(args: &GcArguments) -> Result<(), Error> {
    let report = gather(args)?;
    if args.json {
        output::line(Value::Object(report.clone()));
    } else {
        output::line(table::render(&report).trim_end());
    }
    let unseen =
        report.get("unseen").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    unseen.for_each(|what| output::note(format_args!("warning: not looked at: {what}")));
    match table::failures(&report) {
        0 => Ok(()),
        count => Err(Error::NotRemoved { count }),
    }
}

fn gather(args: &GcArguments) -> Result<Map<String, Value>, Error> {
    let mut failure = Error::NoConfiguration;
    for dir in settings::state_dirs(&args.sources)? {
        let socket = serve::status_path(&dir);
        match ask(&socket, &Request::Gc { dry_run: args.dry_run }, PATIENCE) {
            Ok(answer) => match answer.get("error").and_then(Value::as_str) {
                Some(error) => failure = Error::Refused(error.to_owned()),
                None => return Ok(answer),
            },
            Err(reason) => {
                let in_use = std::os::unix::net::UnixStream::connect(&socket).is_ok();
                let silent = Error::NotServing { socket, reason };
                failure = if in_use { return Err(silent) } else { silent };
            }
        }
    }
    match failure {
        Error::NotServing { .. } => alone(args),
        other => Err(other),
    }
}

/// Without a running service. A service that starts meanwhile finds the state directory in use, and the other way round.
fn alone(args: &GcArguments) -> Result<Map<String, Value>, Error> {
    let configuration = settings::load(&args.sources, Some(Plugin::Kuryr))?;
    let mut report = None;
    in_runtime(async {
        let services = services::open(&configuration)?;
        let Some(service) = &services.network else { return Err(Error::NoConfiguration) };
        report = Some(service.collect_orphans(args.dry_run).await?);
        Ok(())
    })?;
    match serde_json::to_value(report) {
        Ok(Value::Object(report)) => Ok(report),
        _ => Ok(Map::new()),
    }
}
