//! The command line that starts the emulator.

use std::path::Path;

use anyhow::{Result, ensure};

use super::emulator::{IMAGES, LOADER, MACHINE};
use super::{EMULATOR, INITRD, KERNEL};
use crate::vm::kernel::{CHANGES, DISK, Machine};

/// For the kernel. What guards a machine that others use is only slow here; an emulated clock is as steady as the real one.
const PARAMETERS: &str = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off audit=0 nokaslr \
                          lsm=capability apparmor=0 cryptomgr.notests net.ifnames=0 clearcpuid=rep_good,erms";
/// All that the emulator has, without what it is slow at: copying by one instruction, and checks at each entry.
const PROCESSOR: &str = "max,-erms,-smap,-smep,-la57";
/// Its memory for translated programs is in MiB.
const TRANSLATION: &str = "tcg,thread=multi,tb-size=256";
/// What a card must not do: leave checksums and the size of packets to the other end.
const CARD: &str = "csum=off,gso=off,host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off,guest_csum=off,\
                    guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,romfile=";
/// First bytes of the management card's link address; its last ones are those of the guest's address.
const MANAGEMENT: [u8; 2] = [0x02, 0x4d];

/// Arguments of `env` that make the file for what a guest changes on its disk.
pub(crate) fn make_changes(dir: &Path) -> Vec<String> {
    let mut all = program(dir, IMAGES);
    all.extend(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"].map(str::to_owned));
    all.extend([DISK, CHANGES].map(|name| format!("{}/{name}", dir.to_string_lossy())));
    all
}

/// Arguments of `env` that start it.
pub(crate) fn command(machine: &Machine<'_>) -> Result<Vec<String>> {
    let dir = machine.dir.to_string_lossy();
    let share = machine.share.map(Path::to_string_lossy).unwrap_or_default();
    for text in [&dir, &share] {
        ensure!(
            !text.contains([' ', ',', '"']),
            "`{text}` cannot be told to an emulator; choose another path"
        );
    }
    let (tap, address) = machine.management;
    let mut all = ["timeout", "--signal=KILL"].map(str::to_owned).to_vec();
    all.push(machine.limit.as_secs().to_string());
    // Whoever ends the guard of the time ends the guest.
    all.extend(["setpriv", "--pdeathsig=KILL"].map(str::to_owned));
    all.extend(program(machine.dir, MACHINE));
    let mut options = vec![
        ("-L", format!("{dir}/{EMULATOR}")),
        ("-machine", "q35".into()),
        ("-accel", TRANSLATION.into()),
        ("-cpu", PROCESSOR.into()),
        ("-m", machine.memory.to_string()),
        ("-display", "none".into()),
        ("-chardev", format!("file,id=console,append=on,path={dir}/console.log")),
        ("-serial", "chardev:console".into()),
        ("-device", "virtio-rng-pci".into()),
        // Written through to the machine's memory: a guest's disk must survive a guest that is killed.
        ("-drive", format!("if=none,id=disk,format=qcow2,cache=writeback,file={dir}/{CHANGES}")),
        ("-device", "virtio-blk-pci,drive=disk".into()),
        ("-virtfs", directory("lab", &dir, "off")),
        ("-kernel", format!("{dir}/{KERNEL}")),
        ("-initrd", format!("{dir}/{INITRD}")),
    ];
    if !share.is_empty() {
        options.push(("-virtfs", directory("share", &share, "on")));
    }
    let [a, b] = MANAGEMENT;
    let [c, d, e, f] = address.octets();
    let own = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    for (number, (tap, mac)) in machine.cards.iter().copied().chain([(tap, own.as_str())]).enumerate() {
        options
            .push(("-netdev", format!("tap,id=card{number},ifname={tap},script=no,downscript=no,vhost=off")));
        options.push(("-device", format!("virtio-net-pci,netdev=card{number},mac={mac},{CARD}")));
    }
    options.push((
        "-append",
        format!(
            "{PARAMETERS} lab_name={} lab_dir={dir} lab_share={share} lab_address={address}/30 lab_agent={} lab_cards={}",
            machine.name,
            machine.agent,
            machine.cards.len(),
        ),
    ));
    all.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(str::to_owned));
    all.extend(options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
    Ok(all)
}

/// A program of the emulator, started with the libraries beside it.
fn program(dir: &Path, name: &str) -> Vec<String> {
    let dir = format!("{}/{EMULATOR}", dir.to_string_lossy());
    [format!("{dir}/{LOADER}"), "--library-path".into(), dir.clone(), format!("{dir}/{name}")].to_vec()
}

fn directory(tag: &str, path: &str, readonly: &str) -> String {
    format!("local,path={path},mount_tag={tag},security_model=none,multidevs=remap,readonly={readonly}")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn machine(dir: &Path) -> Machine<'_> {
        Machine {
            dir,
            name: "one",
            memory: 512,
            limit: Duration::from_secs(9),
            share: None,
            management: ("vmmgmt0", Ipv4Addr::new(169, 254, 77, 2)),
            cards: vec![("tapa", "02:00:00:00:00:01")],
            agent: "--agent",
        }
    }

    #[test]
    fn the_management_card_is_the_last_one() {
        let line = command(&machine(Path::new("/a"))).unwrap().join("\n");
        assert!(line.contains("card0,ifname=tapa,"));
        assert!(line.contains("netdev=card0,mac=02:00:00:00:00:01,"));
        assert!(line.contains("card1,ifname=vmmgmt0,"));
        assert!(line.contains("mac=02:4d:a9:fe:4d:02,"));
        assert!(line.ends_with("lab_cards=1"));
    }

    #[test]
    fn a_path_that_would_be_several_options_is_refused() {
        assert!(command(&machine(Path::new("/a,b"))).is_err());
    }
}
