//! Configuration files into what the parts need. The only place that reads them.

mod credentials;
mod environment;
mod guest;
mod network;
mod shares;
mod tcp;
mod volume;

use std::path::PathBuf;

use oslo_config::{Found, Loaded, Loader, Places, Problem, schemas};

pub(crate) use network::NetworkPlugin;
pub(crate) use tcp::Tcp;
pub(crate) use volume::VolumePlugin;

use crate::arguments::{ConfigSources, Plugin};
use crate::error::Error;
use crate::output;

/// Everything configured.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// The network plugin, if configured.
    pub(crate) network: Option<NetworkPlugin>,
    /// The volume plugin, if configured.
    pub(crate) volume: Option<VolumePlugin>,
    /// How to log.
    pub(crate) logging: Logging,
    /// Settings that are right but ask for what this release does not do: `serve` refuses to start.
    pub(crate) unserved: Vec<String>,
    /// Settings that are probably not what was meant.
    pub(crate) doubts: Vec<String>,
}

/// How to log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logging {
    /// In detail.
    pub(crate) debug: bool,
    /// What to leave out otherwise.
    pub(crate) least: Level,
    /// One JSON object per line.
    pub(crate) json: bool,
    /// Into this file instead of standard error.
    pub(crate) file: Option<PathBuf>,
    /// To standard error as well.
    pub(crate) stderr: bool,
}

/// How grave a message must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Level {
    /// What happens.
    #[default]
    Info,
    /// What may be wrong.
    Warning,
    /// What failed.
    Error,
}

/// The loader of each plugin's configuration, with the files it reads; `None` where no file was named or found and the
/// environment alone is not enough.
pub(crate) fn loaders(sources: &ConfigSources) -> Vec<(Plugin, Option<Loader>, Vec<PathBuf>)> {
    let places = Places::from_env(|name| std::env::var(name).ok());
    let named = |files: &[PathBuf], dirs: &[PathBuf], project: &str, names: &[&str]| {
        if files.is_empty() && dirs.is_empty() {
            places.find(project, names)
        } else {
            Found { files: files.to_vec(), dirs: dirs.to_vec() }
        }
    };
    let kuryr = named(&sources.files, &sources.dirs, "kuryr", &["kuryr", "kuryr-server"]);
    let fuxi = named(&sources.fuxi_files, &sources.fuxi_dirs, "fuxi", &["fuxi"]);
    [(Plugin::Kuryr, schemas::kuryr(), kuryr), (Plugin::Fuxi, schemas::fuxi(), fuxi)]
        .into_iter()
        .map(|(plugin, schema, found)| {
            let files: Vec<PathBuf> = found.files.iter().chain(&found.dirs).cloned().collect();
            let loader = (sources.from_environment || !files.is_empty()).then(|| {
                Loader::new(&schema).found(found).env(std::env::vars().filter(|(k, _)| !k.is_empty()))
            });
            (plugin, loader, files)
        })
        .collect()
}

/// Reads the configuration of both plugins, or of the one asked for. Warnings go to standard error.
///
/// # Errors
/// Errors in files are printed one by one; the error returned counts them.
pub(crate) fn load(sources: &ConfigSources, only: Option<Plugin>) -> Result<Configuration, Error> {
    let configuration =
        read(sources, only, |problem| output::note(format_args!("{}: {problem}", problem.severity())))?;
    configuration.doubts.iter().for_each(|doubt| output::note(format_args!("warning: {doubt}")));
    Ok(configuration)
}

/// [`load`] with the problems of files given to `tell`, and doubts to nobody.
pub(crate) fn read(
    sources: &ConfigSources,
    only: Option<Plugin>,
    tell: impl Fn(&Problem),
) -> Result<Configuration, Error> {
    let mut configuration = Configuration::default();
    let mut any = false;
    let mut wrong = 0;
    for (plugin, loader, files) in loaders(sources) {
        let Some(loader) = loader.filter(|_| only.is_none_or(|o| o == plugin)) else { continue };
        any = true;
        let loaded = match loader.load() {
            Ok(loaded) => loaded,
            Err(problems) => {
                problems.iter().for_each(&tell);
                wrong += problems.iter().filter(|p| p.is_error()).count();
                continue;
            }
        };
        loaded.warnings().iter().for_each(&tell);
        // The problems of all files are told before one that needs them all to be right.
        if wrong > 0 {
            continue;
        }
        let logging = Logging::read(&loaded)?;
        configuration.logging.debug |= logging.debug;
        configuration.logging.least = logging.least;
        configuration.logging.json |= logging.json;
        configuration.logging.stderr |= logging.stderr;
        configuration.logging.file = configuration.logging.file.or(logging.file);
        let place = files.first().map_or_else(|| "the environment".to_owned(), |f| f.display().to_string());
        match plugin {
            Plugin::Kuryr => {
                configuration.unserved.extend(network::unserved(&loaded, &place)?);
                configuration.network = Some(NetworkPlugin::read(&loaded, &place)?);
            }
            Plugin::Fuxi => {
                configuration.unserved.extend(volume::unserved(&loaded, &place)?);
                configuration.doubts.extend(volume::doubts(&loaded, &place)?);
                configuration.volume = Some(VolumePlugin::read(&loaded, &place)?);
            }
        }
    }
    match (wrong, any) {
        (0, true) => Ok(configuration),
        (0, false) => Err(Error::NoConfiguration),
        (count, _) => Err(Error::Configuration { count }),
    }
}

/// The state directories of the plugins that are configured, each once. Needs no credentials: whoever asks how the
/// service is may not have those of its environment.
///
/// # Errors
/// As [`load`].
pub(crate) fn state_dirs(sources: &ConfigSources) -> Result<Vec<PathBuf>, Error> {
    let mut dirs = Vec::new();
    for (_, loader, _) in loaders(sources) {
        let Some(loader) = loader else { continue };
        let loaded = loader.load().map_err(|problems| {
            problems.iter().filter(|p| p.is_error()).for_each(output::note);
            Error::Configuration { count: problems.iter().filter(|p| p.is_error()).count() }
        })?;
        let dir = state_dir(&loaded)?;
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    if dirs.is_empty() { Err(Error::NoConfiguration) } else { Ok(dirs) }
}

impl Configuration {
    /// Where a plugin is served by TCP.
    pub(crate) fn tcp(&self, plugin: &str) -> Option<&Tcp> {
        match plugin {
            "kuryr" => self.network.as_ref()?.tcp.as_ref(),
            "fuxi" => self.volume.as_ref()?.tcp.as_ref(),
            _ => None,
        }
    }
}

impl Logging {
    fn read(loaded: &Loaded) -> Result<Self, Error> {
        let directory = loaded.path("DEFAULT", "log_dir")?.map(PathBuf::from).unwrap_or_default();
        let (verbose, least) = environment::log_level(environment::variable("LOG_LEVEL").as_deref())?;
        let chosen = loaded.is_set("DEFAULT", "debug")?;
        Ok(Self {
            debug: if chosen { loaded.bool("DEFAULT", "debug")? } else { verbose },
            least,
            json: loaded.bool("DEFAULT", "use_json")?,
            stderr: loaded.bool("DEFAULT", "use_stderr")?,
            file: loaded.path("DEFAULT", "log_file")?.map(|file| directory.join(file)),
        })
    }
}

/// The text of an option with a default.
fn text(loaded: &Loaded, group: &str, key: &str) -> Result<String, Error> {
    Ok(loaded.get_str(group, key)?.unwrap_or_default().to_owned())
}

/// The name of this host in OpenStack.
fn host(loaded: &Loaded) -> Result<String, Error> {
    match loaded.get_str("DEFAULT", "host")?.filter(|h| !h.is_empty()) {
        Some(host) => Ok(host.to_owned()),
        None => Ok(rustix::system::uname().nodename().to_string_lossy().into_owned()),
    }
}

/// The directory of the journal.
fn state_dir(loaded: &Loaded) -> Result<PathBuf, Error> {
    Ok(loaded.path("DEFAULT", "state_dir")?.map_or_else(|| "/var/lib/kuryr".into(), PathBuf::from))
}
