//! Two instances on one network, and what they hold.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use lab::vm::Segment;
use testkit::World;

use crate::neutron::{Network, Neutron};
use crate::{Binding, Instance, InstanceOptions, Wiring, expect_lines};

/// Where the plugin keeps its state unless told otherwise.
const STATE: &str = "/var/lib/kuryr";

/// Of the network of a pair.
pub const RANGE: &str = "10.88.0.0/24";

/// How to make a pair.
#[derive(Debug, Clone, Copy)]
pub struct PairOptions<'a> {
    /// The network for storage, if they are to be on it.
    pub storage: Option<&'a Segment>,
    /// Of both.
    pub wiring: Wiring,
    /// The `kuryr` binary, which both see at `/share/kuryr`.
    pub kuryr: &'a Path,
}

/// Two instances. Dropping it ends them.
#[derive(Debug)]
pub struct Pair {
    /// One.
    pub one: Instance,
    /// The other.
    pub two: Instance,
    /// The network of their first cards.
    pub network: Network,
}

impl Pair {
    /// Boots both at the same time and waits until their ports are `ACTIVE`.
    ///
    /// # Errors
    /// What failed.
    pub fn start(world: &World, options: &PairOptions<'_>) -> Result<Self> {
        let name = match options.wiring {
            Wiring::Plain => "plain",
            Wiring::Trunk => "trunk",
        };
        let network = Network::make(&Neutron::of(world), &format!("instances-{name}"), RANGE)?;
        let networks = [(&network, options.wiring)];
        let start = |number: &str| {
            let name = format!("{name}-{number}");
            let PairOptions { storage, kuryr, .. } = *options;
            Instance::start(world, &InstanceOptions { name: &name, networks: &networks, storage, kuryr })
        };
        let (one, two) = both(|| start("one"), || start("two"))?;
        Ok(Self { one, two, network })
    }

    /// Starts the engines of both.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn start_engines(&mut self) -> Result<()> {
        let (one, two) = (&mut self.one, &mut self.two);
        both(|| one.start_engine(), || two.start_engine()).map(drop)
    }

    /// Starts engine and plugin of both, configured like that.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn serve(&mut self, binding: Option<Binding>) -> Result<()> {
        let (one, two) = (&mut self.one, &mut self.two);
        both(|| one.serve(binding), || two.serve(binding)).map(drop)
    }

    /// What both hold: links, addresses, what the plugin has written down, and containers and networks of their engines.
    /// Comparable with a later look.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn held(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for instance in [&self.one, &self.two] {
            let mut add = |what: &str, text: String| {
                all.extend(text.lines().map(|line| format!("{} in {}: {line}", what, instance.name())));
            };
            let links = instance.guest.must(&["ip", "-oneline", "link", "show"])?;
            let names = links.lines().filter_map(|line| line.split(": ").nth(1)).collect::<Vec<_>>();
            add("link", names.join("\n"));
            add("addresses", instance.guest.must(&["ip", "-4", "-brief", "address", "show", "eth0"])?);
            // Only what is below the directories of kinds.
            let files = ["find", STATE, "-mindepth", "2", "-type", "f"];
            add("record", String::from_utf8_lossy(&instance.guest.run(&files)?.stdout).into_owned());
            if instance.engine.is_some() {
                add("container", instance.docker(&["ps", "--all", "--quiet"])?);
                add("network", instance.docker(&["network", "ls", "--quiet", "--filter", "type=custom"])?);
            }
        }
        Ok(all)
    }

    /// Fails unless both come to hold what they held before, and nothing else.
    ///
    /// # Errors
    /// A list of what is left or missing.
    pub fn expect_held(&self, before: &[String]) -> Result<()> {
        expect_lines(before, || self.held())
    }

    /// What the programs of both logged last, and their consoles.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut all = String::new();
        for instance in [&self.one, &self.two] {
            for (what, text) in [
                ("kuryr", instance.log("kuryr")),
                ("dockerd", instance.log("dockerd")),
                ("console", instance.guest.console()),
            ] {
                let lines: Vec<&str> = text.lines().rev().take(40).collect();
                all.push_str(&format!("--- {what} of {} ---\n", instance.name()));
                lines.into_iter().rev().for_each(|line| all.push_str(&format!("{line}\n")));
            }
        }
        all
    }
}

/// Does two things at the same time.
///
/// # Errors
/// What one of them says, when both have ended.
pub fn both<A: Send, B: Send>(
    one: impl FnOnce() -> Result<A> + Send,
    two: impl FnOnce() -> Result<B> + Send,
) -> Result<(A, B)> {
    std::thread::scope(|scope| {
        let two = scope.spawn(two);
        let one = one();
        let two = two.join().map_err(|_| anyhow!("a thread panicked"))?;
        Ok((one.context("the first one")?, two.context("the second one")?))
    })
}
