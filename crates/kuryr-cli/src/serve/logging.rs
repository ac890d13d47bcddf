//! Logs: text or JSON, to standard error or a file.

use std::fs::OpenOptions;
use std::sync::Mutex;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::Error;
use crate::settings::{Level, Logging};

/// Our own crates; others speak up only to warn.
const OURS: [&str; 9] =
    ["kuryr", "fuxi", "openstack", "docker_plugin", "host_net", "host_storage", "journal", "devcloud", "os"];

pub(crate) fn start(logging: &Logging) -> Result<(), Error> {
    let level = match logging.least {
        _ if logging.debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    let others = level.min(LevelFilter::WARN);
    let targets = Targets::new().with_default(others).with_targets(OURS.map(|name| (name, level)));
    let writer = match &logging.file {
        None => BoxMakeWriter::new(std::io::stderr),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file =
                file.map_err(|source| Error::Io { action: "open the log", what: path.clone(), source })?;
            let file = Mutex::new(file);
            if logging.stderr {
                BoxMakeWriter::new(file.and(std::io::stderr))
            } else {
                BoxMakeWriter::new(file)
            }
        }
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let registry = tracing_subscriber::registry().with(targets);
    if logging.json {
        let _ = registry.with(layer.json()).try_init();
    } else {
        let _ = registry.with(layer).try_init();
    }
    Ok(())
}
