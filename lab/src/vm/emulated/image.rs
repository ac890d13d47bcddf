//! What emulated guests boot from, in layers of its own, so that nobody else pays for it: the emulator's packages over the
//! unpacked Debian; Debian's kernel and what runs on it over the packages of all guests; and what is made of both.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use debian_root::Program;

use super::{EMULATOR, INITRD, KERNEL, boot};
use crate::layer::{is_current, layer, remove, stamp};
use crate::packages::Packages;
use crate::vm::kernel::DISK;
use crate::vm::{Kind, bring, image as usermode, layout};

/// To be raised when the installation of packages changes in what it leaves.
const PACKAGES_REVISION: &str = "1";

/// The emulator, and the tool that makes the files for what guests change.
const EMULATOR_NAMES: [&str; 2] = ["qemu-system-x86", "qemu-utils"];

/// Beside what all guests have: a kernel, what unpacks its parts, and what NVMe over TCP and NFS are tested with.
const NAMES: [&str; 12] = [
    "linux-image-amd64",
    "xz-utils",
    "zstd",
    "curl",
    "udev",
    "nvme-cli",
    "nfs-kernel-server",
    "lvm2",
    "thin-provisioning-tools",
    "cinder-api",
    "cinder-scheduler",
    "cinder-volume",
];

/// A part of the making of the image that runs in namespaces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// Packages of the emulator.
    Emulator,
    /// Packages of the guests.
    Packages,
    /// What guests boot from.
    Boot,
}

impl Step {
    fn word(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Packages => "packages",
            Self::Boot => "boot",
        }
    }

    fn dir(self) -> PathBuf {
        layout::home().join(format!("emulated-{}", self.word()))
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Emulator => &EMULATOR_NAMES,
            Self::Packages => &NAMES,
            Self::Boot => &[],
        }
    }

    fn packages(self) -> Packages {
        Packages { names: self.names(), forget: &[], workshop: layout::workshop(), logs: layout::logs() }
    }

    fn stamp(self) -> String {
        let own = self.packages().inputs(PACKAGES_REVISION);
        match self {
            Self::Emulator => stamp(&[own]),
            Self::Packages => stamp(&[usermode::packages_stamp(Kind::Host), own]),
            Self::Boot => stamp(&[Self::Emulator.stamp(), Self::Packages.stamp(), boot::inputs()]),
        }
    }

    /// The directories it lies over, the uppermost first.
    fn below(self) -> Result<Vec<PathBuf>> {
        let guests = || usermode::layers(Some(Kind::Host));
        match self {
            Self::Emulator => usermode::layers(None),
            Self::Packages => guests(),
            Self::Boot => Ok([vec![Self::Packages.dir()], guests()?].concat()),
        }
    }

    /// Fills the directory of this step.
    fn fill(self, part: &Path) -> Result<()> {
        let (word, below) = (self.word(), self.below()?);
        if self != Self::Boot {
            return self.packages().make(&["vm", "make-emulated", word], &below, part);
        }
        let workshop = layout::workshop();
        remove(&workshop)?;
        for dir in boot::directories(&workshop).iter().chain([&part.to_owned()]) {
            fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        }
        Program::contained(std::env::current_exe().context("find this program")?)
            .args(["vm", "make-emulated", word])
            .arg(part)
            .args(below)
            .run()?;
        remove(&workshop)
    }
}

/// Makes the image unless it is up to date.
///
/// # Errors
/// What failed. The next call goes on from there.
pub fn image() -> Result<()> {
    debian_root::require_root()?;
    let _lock = layout::lock()?;
    usermode::install(Kind::Host)?;
    layer("packages of the emulator", &Step::Emulator.dir(), &Step::Emulator.stamp(), |part| {
        Step::Emulator.fill(part)
    })?;
    layer("packages of emulated guests", &Step::Packages.dir(), &Step::Packages.stamp(), |part| {
        Step::Packages.fill(part)
    })?;
    layer("what emulated guests boot from", &Step::Boot.dir(), &Step::Boot.stamp(), |part| {
        Step::Boot.fill(part)
    })
}

/// The part of a step that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn make(step: Step, layer: &Path, below: &[PathBuf]) -> Result<()> {
    match step {
        Step::Emulator | Step::Packages => step.packages().install(layer, below),
        Step::Boot => {
            let emulator = [&[Step::Emulator.dir()][..], &Step::Emulator.below()?].concat();
            boot::make(layer, below, &emulator)
        }
    }
}

/// Puts what a guest boots from into its directory.
pub(crate) fn prepare(dir: &Path) -> Result<()> {
    let boot = Step::Boot.dir();
    if !is_current(&boot, &Step::Boot.stamp()) {
        bail!(
            "there is no image for emulated guests, or it is out of date; make it with `cargo xtask lab vm image --emulated`"
        );
    }
    for name in [KERNEL, INITRD, DISK] {
        bring(&boot.join(name), &dir.join(name))?;
    }
    let (from, to) = (boot.join(EMULATOR), dir.join(EMULATOR));
    fs::create_dir(&to).with_context(|| format!("create {}", to.display()))?;
    for entry in fs::read_dir(&from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        bring(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_guests_boot_from_is_made_of_all_packages() {
        let stamps = [Step::Emulator, Step::Packages, Step::Boot].map(Step::stamp);
        let [emulator, packages, boot] = &stamps;
        assert!(emulator != packages && packages != boot && emulator != boot);
        assert_eq!(stamps, [Step::Emulator, Step::Packages, Step::Boot].map(Step::stamp));
    }
}
