//! The kernel alone: what it gives out over NVMe/TCP, it reaches over NVMe/TCP.

use anyhow::{Context, Result, ensure};

use crate::Case;
use crate::machine::Machine;

pub(crate) const CASES: &[Case] = &[
    ("what_the_kernel_gives_out_is_reached_over_tcp_and_let_go", loops),
    ("an_emulated_guest_can_encrypt_and_filter", more_than_user_mode),
    ("an_emulated_guest_that_lost_its_power_boots_with_what_was_written", power),
];

const TARGET: &str = "/sys/kernel/config/nvmet";
const NQN: &str = "nqn.2014-08.org.example:loop";
const FILE: &str = "/var/lib/loop.img";

fn loops(machine: &mut Machine) -> Result<()> {
    let guest = &machine.guest;
    guest.must(&["truncate", "--size=256M", FILE])?;
    let device = guest.must(&["losetup", "--find", "--show", FILE])?;
    let (subsystem, port) = (format!("{TARGET}/subsystems/{NQN}"), format!("{TARGET}/ports/7"));
    let namespace = format!("{subsystem}/namespaces/1");
    let link = format!("{port}/subsystems/{NQN}");
    guest.must(&["mkdir", &subsystem, &namespace, &port])?;
    for (file, value) in [
        (format!("{subsystem}/attr_allow_any_host"), "1"),
        (format!("{namespace}/device_path"), device.as_str()),
        (format!("{namespace}/enable"), "1"),
        (format!("{port}/addr_trtype"), "tcp"),
        (format!("{port}/addr_adrfam"), "ipv4"),
        (format!("{port}/addr_traddr"), "127.0.0.1"),
        (format!("{port}/addr_trsvcid"), "4421"),
    ] {
        guest.write(&file, value)?;
    }
    guest.must(&["ln", "-s", &subsystem, &link])?;
    // As a host without tools does.
    let reach = format!("transport=tcp,traddr=127.0.0.1,trsvcid=4421,nqn={NQN}");
    guest.write("/dev/nvme-fabrics", &reach)?;
    let controller = machine.controllers()?.pop().context("no controller came")?;
    let namespace_of = format!("/sys/class/nvme/{controller}/subsysnqn");
    ensure!(guest.must(&["cat", &namespace_of])? == NQN);
    let disk = format!("/dev/{controller}n1");
    machine.becomes("the namespace is a device", |guest| {
        Ok(guest.run(&["test", "-b", &disk])?.status.success())
    })?;
    guest.must(&["mkfs.ext4", "-q", &disk])?;
    guest.must(&["mount", &disk, "/mnt"])?;
    guest.write("/mnt/file", "over the wire")?;
    guest.must(&["umount", "/mnt"])?;
    guest.must(&["nvme", "disconnect", "--nqn", NQN])?;
    machine.becomes("the controller is gone", |_| Ok(machine.controllers()?.is_empty()))?;
    // It is on the other side, too.
    guest.must(&["mount", &device, "/mnt"])?;
    ensure!(guest.must(&["cat", "/mnt/file"])? == "over the wire");
    guest.must(&["umount", "/mnt"])?;
    guest.must(&["rm", &link])?;
    guest.must(&["rmdir", &namespace, &subsystem, &port])?;
    guest.must(&["losetup", "--detach", &device])?;
    guest.must(&["rm", FILE]).map(drop)
}

fn more_than_user_mode(machine: &mut Machine) -> Result<()> {
    machine.guest.must(&["modprobe", "--all", "dm-crypt", "nf_tables", "iptable_nat", "vxlan"])?;
    let targets = machine.guest.must(&["dmsetup", "targets"])?;
    ensure!(targets.contains("crypt"), "device mapper has only: {targets}");
    machine.guest.must(&["iptables", "--table", "nat", "--list"]).map(drop)
}

fn power(machine: &mut Machine) -> Result<()> {
    machine.guest.write("/root/written", "before")?;
    machine.guest.must(&["sync"])?;
    machine.guest.kill();
    machine.guest.boot()?;
    ensure!(machine.guest.must(&["cat", "/root/written"])? == "before");
    // As after each boot.
    machine.ready()
}
