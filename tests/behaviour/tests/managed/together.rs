//! One managed plugin for networks and volumes.

use anyhow::{Result, ensure};
use testkit::World;

use crate::Case;
use crate::plugin::{install, uninstall};
use crate::volumes::create;

pub(crate) const CASES: &[Case] =
    &[("one_managed_plugin_serves_a_container_its_network_and_its_volume", both)];

fn both(world: &mut World) -> Result<()> {
    install(world, "openstack", &["OS_CINDER__DETACH_DELAY=0"])?;
    let drivers = ["-d", "openstack:latest", "--ipam-driver", "openstack:latest"];
    world.docker(&[&["network", "create"][..], &drivers, &["--subnet", "10.72.0.0/24", "net"]].concat())?;
    create(world, "openstack", "my_vol", &["size=1"])?;
    world.run("one", &["--network", "net", "-v", "my_vol:/data"])?;
    world.run("two", &["--network", "net"])?;
    world.ping("one", &world.address("two", "net")?.to_string())?;
    world.docker(&["exec", "one", "sh", "-c", "echo kept > /data/file && sync"])?;
    ensure!(world.docker(&["exec", "one", "cat", "/data/file"])? == "kept");
    world.remove("one")?;
    world.remove("two")?;
    world.docker(&["volume", "rm", "my_vol"])?;
    world.remove_network("net")?;
    uninstall(world, "openstack")
}
