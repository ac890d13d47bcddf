//! `kuryr config check` and `kuryr config sample`.

use oslo_config::{Problem, schemas};

use crate::arguments::{ConfigAction, ConfigArguments, ConfigSources, Plugin};
use crate::error::Error;
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

fn check(sources: &ConfigSources) -> Result<(), Error> {
    let mut problems = Vec::new();
    let mut read = Vec::new();
    let mut kinds = Vec::new();
    for (plugin, loader, files) in settings::loaders(sources) {
        let Some(loader) = loader else { continue };
        read.extend(files);
        problems.extend(loader.check());
        kinds.push((plugin, loader));
    }
    if kinds.is_empty() {
        return Err(Error::NoConfiguration);
    }
    for problem in &problems {
        output::line(problem);
    }
    let count = problems.iter().filter(|p| Problem::is_error(p)).count();
    if count > 0 {
        return Err(Error::Configuration { count });
    }
    // What no single option can tell: credentials that do not fit together, files that cannot be read.
    settings::load(sources, None)?;
    for file in read {
        output::line(format_args!("{}: fine", file.display()));
    }
    Ok(())
}
