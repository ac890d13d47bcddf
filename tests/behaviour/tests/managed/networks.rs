//! Networks of the managed plugin `kuryr`.

use anyhow::{Result, ensure};
use testkit::World;

use crate::Case;
use crate::plugin::{crash, install, uninstall};

pub(crate) const CASES: &[Case] = &[
    ("containers_on_networks_of_a_managed_plugin_reach_each_other", reach),
    ("a_managed_plugin_that_crashes_is_started_again_and_containers_keep_running", crashes),
    ("a_managed_plugin_is_disabled_only_by_force_while_its_networks_exist", in_use),
    ("a_new_managed_plugin_goes_on_with_the_networks_of_the_old_one", replaced),
    ("a_managed_plugin_is_set_only_as_its_description_says", refused),
];

/// A network with a range of its own and the drivers under these names.
fn create(world: &World, driver: &str, subnet: &str, name: &str) -> Result<()> {
    let args = ["network", "create", "-d", driver, "--ipam-driver", driver, "--subnet", subnet, name];
    world.docker(&args).map(drop)
}

fn reach(world: &mut World) -> Result<()> {
    install(world, "kuryr", &[])?;
    create(world, "kuryr:latest", "10.70.0.0/24", "net")?;
    world.run("one", &["--network", "net"])?;
    world.run("two", &["--network", "net", "--expose", "80/udp"])?;
    world.ping("one", &world.address("two", "net")?.to_string())?;
    world.remove("one")?;
    world.remove("two")?;
    world.remove_network("net")?;
    // Docker's list of network drivers has the whole name only.
    let bare =
        ["network", "create", "-d", "kuryr", "--ipam-driver", "kuryr", "--subnet", "10.71.0.0/24", "net"];
    let error = world.docker_fails(&bare)?;
    ensure!(error.contains("could not resolve driver kuryr"), "{error}");
    uninstall(world, "kuryr")
}

fn crashes(world: &mut World) -> Result<()> {
    install(world, "kuryr", &[])?;
    create(world, "kuryr:latest", "10.70.0.0/24", "net")?;
    world.run("one", &["--network", "net"])?;
    let one = world.address("one", "net")?.to_string();
    let pid = world.docker(&["inspect", "--format", "{{.State.Pid}}", "one"])?;
    crash(world)?;
    ensure!(world.docker(&["inspect", "--format", "{{.State.Pid}}", "one"])? == pid, "the container ended");
    world.run("two", &["--network", "net"])?;
    world.ping("two", &one)?;
    world.remove("one")?;
    world.remove("two")?;
    world.remove_network("net")?;
    uninstall(world, "kuryr")
}

fn in_use(world: &mut World) -> Result<()> {
    install(world, "kuryr", &[])?;
    create(world, "kuryr:latest", "10.70.0.0/24", "net")?;
    world.run("one", &["--network", "net"])?;
    let error = world.docker_fails(&["plugin", "disable", "kuryr"])?;
    ensure!(error.contains("in use"), "{error}");
    world.docker(&["plugin", "disable", "--force", "kuryr"])?;
    world.docker(&["exec", "one", "ip", "address", "show", "eth0"])?;
    world.docker(&["plugin", "enable", "kuryr"])?;
    world.run("two", &["--network", "net"])?;
    world.ping("two", &world.address("one", "net")?.to_string())?;
    world.remove("one")?;
    world.remove("two")?;
    world.remove_network("net")?;
    // Nothing needs it any more.
    world.docker(&["plugin", "disable", "kuryr"])?;
    world.docker(&["plugin", "rm", "kuryr"]).map(drop)
}

/// Without a registry there is no `docker plugin upgrade`.
fn replaced(world: &mut World) -> Result<()> {
    install(world, "kuryr", &[])?;
    create(world, "kuryr:latest", "10.70.0.0/24", "net")?;
    world.run("one", &["--network", "net"])?;
    uninstall(world, "kuryr")?;
    install(world, "kuryr", &[])?;
    world.run("two", &["--network", "net"])?;
    world.ping("two", &world.address("one", "net")?.to_string())?;
    world.remove("one")?;
    world.remove("two")?;
    world.remove_network("net")?;
    uninstall(world, "kuryr")
}

fn refused(world: &mut World) -> Result<()> {
    install(world, "kuryr", &[])?;
    let error = world.docker_fails(&["plugin", "set", "kuryr", "LOG_LEVEL=info"])?;
    ensure!(error.contains("disable") || error.contains("active"), "{error}");
    world.docker(&["plugin", "disable", "kuryr"])?;
    let error = world.docker_fails(&["plugin", "set", "kuryr", "NO_SUCH=1"])?;
    ensure!(error.contains("NO_SUCH"), "{error}");
    world.docker(&["plugin", "set", "kuryr", "LOG_LEVEL=loud"])?;
    world.docker_fails(&["plugin", "enable", "kuryr"])?;
    let log = std::fs::read_to_string(world.docker.log())?;
    ensure!(log.contains("LOG_LEVEL is `loud`"), "the engine's log does not say why");
    world.docker(&["plugin", "rm", "--force", "kuryr"]).map(drop)
}
