//! The `kuryr` command: Docker networks on Neutron and Docker volumes on Cinder.

mod arguments;
mod config;
mod demo;
mod devcloud_command;
mod documents;
mod error;
mod faces;
mod gc;
mod output;
mod serve;
mod settings;
mod status;
mod swarm;
mod tls;
mod volume;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::error::Error;

fn main() -> ExitCode {
    private_host::intercept();
    let arguments = Arguments::parse();
    // Before anything speaks TLS; fails only if somebody installed one already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = match arguments.command {
        Command::Serve(args) => in_runtime(serve::run(args)),
        Command::Demo(args) => in_runtime(demo::run(args)),
        Command::Devcloud(args) => in_runtime(devcloud_command::run(args)),
        Command::Status(args) => status::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Volume(args) => volume::run(&args),
        Command::Swarm(args) => swarm::run(args),
        Command::Tls(args) => tls::run(&args),
        Command::Documents(args) => documents::run(&args),
        Command::Config(args) => config::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// How long what is left to do on blocking threads may take at the end.
const LAST_WORK: std::time::Duration = std::time::Duration::from_secs(10);

fn in_runtime(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Requests wait for the cloud and the kernel, they do not compute; more threads would only cost memory.
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| Error::Io { action: "start the runtime", what: "kuryr".into(), source })?;
    let outcome = runtime.block_on(work);
    // A thread that waits for storage which is away would keep the process for ever; the journal knows what it was doing.
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}
