//! The command line that starts a guest's kernel.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

/// Names in a guest's directory: the kernel, what it is loaded with, the image's disk, what the guest has changed on it.
pub(crate) const PROGRAM: &str = "linux";
pub(crate) const REGISTERS: &str = "registers.so";
pub(crate) const DISK: &str = "disk.ext4";
pub(crate) const CHANGES: &str = "changes";
/// Number of the management card; the first process of the guest gives it a name.
const MANAGEMENT: usize = 9;

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) name: &'a str,
    /// In MiB.
    pub(crate) memory: u32,
    pub(crate) limit: Duration,
    pub(crate) share: Option<&'a Path>,
    /// Tap and the guest's address.
    pub(crate) management: (&'a str, Ipv4Addr),
    /// Taps with the guest's link addresses.
    pub(crate) cards: Vec<(&'a str, &'a str)>,
    /// Argument of the agent.
    pub(crate) agent: &'a str,
}

/// Arguments of `env` that start it.
pub(crate) fn command(machine: &Machine<'_>) -> Result<Vec<String>> {
    let dir = machine.dir.to_string_lossy();
    let share = machine.share.map(Path::to_string_lossy).unwrap_or_default();
    for text in [&dir, &share] {
        ensure!(
            !text.contains([' ', ',', ':', '"']),
            "`{text}` cannot be told to a kernel; choose another path"
        );
    }
    let limit = machine.limit.as_secs();
    let (tap, address) = machine.management;
    let mut all = vec![
        // A guest's memory is a file that must be executable.
        "TMPDIR=/dev/shm".to_owned(),
        format!("LD_PRELOAD={dir}/{REGISTERS}"),
        "timeout".to_owned(),
        "--signal=KILL".to_owned(),
        limit.to_string(),
        // Whoever ends the guard of the time ends the guest.
        "setpriv".to_owned(),
        "--pdeathsig=KILL".to_owned(),
        format!("{dir}/{PROGRAM}"),
        format!("mem={}M", machine.memory),
        format!("ubd0={dir}/{CHANGES},{dir}/{DISK}"),
        "root=/dev/ubda".to_owned(),
        "rootfstype=ext4".to_owned(),
        "rw".to_owned(),
        "init=/usr/sbin/lab-init".to_owned(),
        "con=null".to_owned(),
        "con0=null,fd:1".to_owned(),
        "quiet".to_owned(),
        format!("uml_dir={dir}/"),
        "umid=control".to_owned(),
        // For all cards the older of the kernel's two drivers: the newer one takes and leaves packets of any size and with
        // unfinished checksums, which it mishandles itself and which a userspace datapath sends on as they are.
        format!("eth{MANAGEMENT}=tuntap,{tap}"),
        format!("lab_name={}", machine.name),
        format!("lab_dir={dir}"),
        format!("lab_share={share}"),
        format!("lab_address={address}/30"),
        format!("lab_agent={}", machine.agent),
    ];
    for (number, (tap, mac)) in machine.cards.iter().enumerate() {
        all.push(format!("eth{number}=tuntap,{tap},{mac}"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(dir: &Path) -> Machine<'_> {
        Machine {
            dir,
            name: "one",
            memory: 512,
            limit: Duration::from_secs(9),
            share: None,
            management: ("vmmgmt0", Ipv4Addr::LOCALHOST),
            cards: vec![("tapa", "02:00:00:00:00:01")],
            agent: "--agent",
        }
    }

    #[test]
    fn cards_are_numbered_without_the_one_of_the_management() {
        let command = command(&machine(Path::new("/a"))).unwrap();
        assert!(command.iter().any(|word| word == "eth9=tuntap,vmmgmt0"));
        assert!(command.iter().any(|word| word == "eth0=tuntap,tapa,02:00:00:00:00:01"));
    }

    #[test]
    fn a_path_that_would_be_several_parameters_is_refused() {
        assert!(command(&machine(Path::new("/a b"))).is_err());
        assert!(command(&machine(Path::new("/a:b"))).is_err());
    }
}
