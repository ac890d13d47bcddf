//! `cargo xtask test`.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::debian;
use crate::engine::{Engine, engine};
use crate::exec::{Cargo, say, target_dir};
use crate::lab::{self, Part};
use crate::package::{self, Deb};

/// The generations that are tested when none is named: the machine's own and Debian 13's.
const DEFAULT_ENGINES: [&str; 2] = ["machine", LAB_ENGINE];

/// The generation in the lab.
const LAB_ENGINE: &str = "26.1";

/// Which tests to run.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// What the behaviour suite stands on; may be repeated. Without it: the development cloud.
    #[arg(long = "cloud", value_enum)]
    clouds: Vec<Cloud>,
    /// Docker generations for the behaviour suite on the development cloud: `machine`, `20.10`, `26.1`, `28.5`. Real
    /// services have an engine of their own.
    #[arg(long = "docker", value_name = "GENERATION")]
    engines: Vec<String>,
    /// Only the behaviour suite.
    #[arg(long)]
    behaviour: bool,
    /// Instead, Docker's managed plugins, which are packaged for it.
    #[arg(long, conflicts_with_all = ["clouds", "behaviour"])]
    managed: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// A cloud under the behaviour suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cloud {
    /// The embedded development cloud.
    Devcloud,
    /// Real Keystone, Neutron and Open vSwitch in the lab, which is brought up if it is not.
    Openstack,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        debian::install(debian::HOST)?;
        Cargo::new("build").args(["--locked", "--bin", "kuryr"]).run()?;
        if self.managed {
            return managed(&self.engines, self.filter.as_deref());
        }
        if !self.behaviour {
            debian::install(debian::TESTS)?;
            Cargo::new("test")
                .args(["--locked", "--workspace", "--exclude", "behaviour", "--exclude", "guests"])
                .args(self.filter.iter())
                .run()?;
        }
        let real = self.clouds.contains(&Cloud::Openstack);
        if self.clouds.is_empty() || self.clouds.contains(&Cloud::Devcloud) {
            on_devcloud(&self.engines, real, self.filter.as_deref())?;
            package(self.filter.as_deref())?;
        }
        if real {
            lab::up()?;
            on_openstack(self.filter.as_deref())?;
        }
        Ok(())
    }
}

/// The managed plugins in each engine.
fn managed(engines: &[String], filter: Option<&str>) -> Result<()> {
    package::plugin::package(&[], true)?;
    let engines = if engines.is_empty() { &DEFAULT_ENGINES.map(str::to_owned) } else { engines };
    for word in engines {
        let root = match engine(word)? {
            Engine::Machine => PathBuf::new(),
            Engine::Root(path) => path,
        };
        say(&format!("Managed plugins in Docker `{word}`"));
        behave(["--test", "managed"].iter(), filter)
            .env("KURYR_TEST_ROOT", root)
            .env("KURYR_TEST_PLUGINS", target_dir().join("plugin"))
            .run()?;
    }
    Ok(())
}

/// With `real`, real services follow: then the lab's engine does here only what it cannot do there.
fn on_devcloud(engines: &[String], real: bool, filter: Option<&str>) -> Result<()> {
    let engines = if engines.is_empty() { &DEFAULT_ENGINES.map(str::to_owned) } else { engines };
    for word in engines {
        let (root, only) = match engine(word)? {
            Engine::Machine => {
                debian::install(debian::SHARES)?;
                (String::new(), None)
            }
            // The demo always uses the machine's engine.
            Engine::Root(path) => (path.to_string_lossy().into_owned(), Some(SUITE)),
        };
        let rest = real && word == LAB_ENGINE;
        let share = if rest { "what is left out on real services of the suite" } else { "the suite" };
        say(&format!("On the development cloud against Docker `{word}`: {share}"));
        let mut suite = behave(only.iter().flatten(), filter).env("KURYR_TEST_ROOT", root);
        if rest {
            suite = suite.env("KURYR_TEST_REST", "1");
        }
        suite.run()?;
    }
    Ok(())
}

/// The Debian package of the command just built, on another release than it was built on.
fn package(filter: Option<&str>) -> Result<()> {
    let Engine::Root(root) = engine(LAB_ENGINE)? else { return Ok(()) };
    let deb = Deb::of(target_dir().join("debug/kuryr")).make()?;
    say("The Debian package");
    behave(["--test", "package"].iter(), filter).env("KURYR_TEST_ROOT", root).env("KURYR_TEST_DEB", deb).run()
}

/// The suite on the lab, which must be up.
pub(crate) fn on_openstack(filter: Option<&str>) -> Result<()> {
    Cargo::new("build").args(["--locked", "--bin", "kuryr"]).run()?;
    say("Behaviour suite on real OpenStack services");
    behave(SUITE.iter(), filter).env("KURYR_TEST_CLOUD", "openstack").run()?;
    neutron_is_as_modelled(filter)
}

/// The development cloud's tests of Neutron's interface, asked of the real one. They remove everything from it first.
fn neutron_is_as_modelled(filter: Option<&str>) -> Result<()> {
    say("The development cloud's Neutron tests on the real Neutron");
    let lab = lab::running()?;
    // Worlds of the suite take turns with this file, too.
    let turn = File::create(lab.share.join("turn")).context("the lab's shared directory")?;
    turn.lock().context("wait for our turn in the lab")?;
    // Only its network: the services are on the lab's loopback interface.
    let runner = format!("nsenter --target {} --net --", lab.pid);
    let upstream = format!("identity={},networking={}", lab.identity, lab.networking);
    Cargo::new("test")
        .args(["--locked", "--package", "devcloud", "--test", "api"])
        .args(filter)
        .env(&format!("CARGO_TARGET_{}_RUNNER", host_triple()), runner)
        .env("KURYR_TEST_UPSTREAM", upstream)
        .run()
}

/// Tests inside guests; the lab must be up for containers' ports and volumes.
pub(crate) fn in_guests(part: Part, filter: Option<&str>, emulated: bool) -> Result<()> {
    let (target, what) = match part {
        Part::Network => ("network", "Inside guests with real OpenStack services: network"),
        Part::Storage => ("storage", "Inside guests with real OpenStack services: storage"),
        Part::Nvme => ("nvme", "Inside an emulated guest with real Cinder: nvme"),
        Part::Connectors => ("connectors", "Inside guests with real targets and servers: connectors"),
    };
    let (key, value) = match part {
        Part::Connectors => ("KURYR_TEST_CONNECTORS", connectors()?),
        _ => {
            Cargo::new("build").args(["--locked", "--bin", "kuryr"]).run()?;
            ("KURYR_TEST_BINARY", target_dir().join("debug/kuryr"))
        }
    };
    say(what);
    let skip = (part == Part::Connectors && !emulated).then_some(["--", "--skip", "emulated::"]);
    Cargo::new("test")
        .args(["--locked", "--package", "guests", "--test", target])
        .args(filter)
        .args(skip.iter().flatten())
        .env(key, value)
        .run()
}

/// Builds the tests of the connectors into a directory of their own, each under the name of its file.
fn connectors() -> Result<PathBuf> {
    let build = || Cargo::new("test").args(["--locked", "--package", "host-storage", "--tests", "--no-run"]);
    build().run()?;
    let dir = target_dir().join("connectors");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("empty {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    for line in build().args(["--quiet", "--message-format=json"]).output()?.lines() {
        let Ok(Artifact { target, executable: Some(program) }) = serde_json::from_str(line) else { continue };
        if target.kind == ["test"] {
            fs::copy(&program, dir.join(&target.name))
                .with_context(|| format!("copy {}", program.display()))?;
        }
    }
    Ok(dir)
}

/// What cargo says of something it has built.
#[derive(Debug, Deserialize)]
struct Artifact {
    target: Target,
    executable: Option<PathBuf>,
}

/// What it was built of.
#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Of the machine, as cargo's variables have it.
fn host_triple() -> String {
    format!("{}_UNKNOWN_LINUX_GNU", std::env::consts::ARCH.to_uppercase())
}

/// The cases, without the demo and other programs' tests.
const SUITE: [&str; 2] = ["--test", "suite"];

fn behave<'a>(only: impl Iterator<Item = &'a &'static str>, filter: Option<&str>) -> Cargo {
    Cargo::new("test")
        .args(["--locked", "--package", "behaviour"])
        .args(only)
        .args(filter)
        .env("KURYR_TEST_BINARY", target_dir().join("debug/kuryr"))
}
