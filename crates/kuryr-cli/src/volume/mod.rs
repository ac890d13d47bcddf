//! `kuryr volume`: asks the running service, which alone knows what it is doing to a volume.

mod table;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::arguments::{VolumeAction, VolumeArguments};
use crate::error::Error;
use crate::serve::requests::{Request, VolumeRequest, follow};
use crate::{output, serve, settings};

/// A copy of a large volume takes as long as it takes.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn run(args: &VolumeArguments) -> Result<(), Error> {
    let request = request(&args.action);
    let done = perform(args, &request)?;
    let text = if args.json { done.to_string() } else { table::render(&args.action, &done) };
    output::line(text.trim_end());
    Ok(())
}

fn request(action: &VolumeAction) -> VolumeRequest {
    match action.clone() {
        VolumeAction::Ls => VolumeRequest::List {},
        VolumeAction::Show { name } => VolumeRequest::Show { name },
        VolumeAction::Adopt { name, volume_id } => {
            VolumeRequest::Create { name, options: [("volume_id".to_owned(), volume_id)].into() }
        }
        VolumeAction::Snapshot { name, snapshot } => {
            VolumeRequest::Snapshot { snapshot: snapshot.unwrap_or_else(|| name.clone()), name }
        }
        VolumeAction::Snapshots { name } => VolumeRequest::Snapshots { name },
        VolumeAction::Clone { source, name, options } => {
            VolumeRequest::Clone { source, name, options: options.into_iter().collect() }
        }
        VolumeAction::Extend { name, size } => VolumeRequest::Extend { name, size },
        VolumeAction::Detach { name } => VolumeRequest::Detach { name },
        VolumeAction::Fence { name, attachment: None } => VolumeRequest::Holders { name },
        VolumeAction::Fence { name, attachment: Some(attachment) } => {
            VolumeRequest::Fence { name, attachment }
        }
    }
}

fn perform(args: &VolumeArguments, request: &VolumeRequest) -> Result<Value, Error> {
    let request = Request::Volume { volume: request.clone() };
    let mut failure = Error::NoConfiguration;
    for dir in settings::state_dirs(&args.sources)? {
        let socket = serve::status_path(&dir);
        match follow(&socket, &request, PATIENCE, |text| output::note(text)) {
            Ok(answer) => match outcome(answer) {
                Ok(done) => return Ok(done),
                // The network plugin may run in a process of its own.
                Err(error) => failure = Error::Refused(error),
            },
            Err(reason) if matches!(failure, Error::NoConfiguration) => {
                failure = Error::NotServing { socket, reason };
            }
            Err(_) => {}
        }
    }
    Err(failure)
}

fn outcome(mut answer: Map<String, Value>) -> Result<Value, String> {
    match (answer.remove("done"), answer.get("error").and_then(Value::as_str)) {
        (Some(done), _) => Ok(done),
        (None, Some(error)) => Err(error.to_owned()),
        (None, None) => Err("its answer is not understood".to_owned()),
    }
}
