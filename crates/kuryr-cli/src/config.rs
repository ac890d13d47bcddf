//! `kuryr config check` and `kuryr config sample`.

use std::fs::File;

use oslo_config::schemas;

use crate::arguments::{ConfigAction, ConfigArguments, ConfigSources, Plugin};
use crate::error::Error;
use crate::settings::{Configuration, Tcp};
use crate::{output, settings};

pub(crate) fn run(args: &ConfigArguments) -> Result<(), Error> {
    match &args.action {
        ConfigAction::Check(sources) => check(sources),
        ConfigAction::Sample { plugin } => {
            let schema = match plugin {
                Plugin::Kuryr => schemas::kuryr(),
                Plugin::Fuxi => schemas::fuxi(),
            };
            output::line(schema.sample().trim_end());
            Ok(())
        }
    }
}

/// Errors fail; what is only doubtful, or could be put right on this host without touching the file, is a warning.
fn check(sources: &ConfigSources) -> Result<(), Error> {
    let configuration = settings::read(sources, None, |problem| {
        output::line(format_args!("{}: {problem}", problem.severity()));
    })?;
    for warning in warnings(&configuration) {
        output::line(format_args!("warning: {warning}"));
    }
    for (_, loader, files) in settings::loaders(sources) {
        if loader.is_some() {
            files.iter().for_each(|file| output::line(format_args!("{}: usable", file.display())));
        }
    }
    Ok(())
}

fn warnings(configuration: &Configuration) -> Vec<String> {
    let mut warnings = configuration.doubts.clone();
    warnings.extend(configuration.unserved.iter().map(|reason| format!("{reason}; `serve` will not start")));
    for plugin in ["kuryr", "fuxi"] {
        if let Some(tcp) = configuration.tcp(plugin) {
            tcp_warnings(plugin, tcp, &mut warnings);
        }
    }
    warnings
}

fn tcp_warnings(plugin: &str, tcp: &Tcp, warnings: &mut Vec<String>) {
    let Some(files) = &tcp.tls else { return };
    let authorities = files.client_authorities.as_ref();
    for path in [&files.certificate, &files.key].into_iter().chain(authorities) {
        if let Err(error) = File::open(path) {
            warnings.push(format!("cannot open {}: {error}; `serve` will not start", path.display()));
        }
    }
    if authorities.is_none() {
        let things = if plugin == "kuryr" { "networks" } else { "volumes" };
        warnings.push(format!(
            "[DEFAULT] ssl_ca_file is not set in {plugin}.conf: whoever reaches the TLS port controls the {things} of \
             this host"
        ));
    }
}
