//! What guests boot from: layers of packages over an unpacked Debian, made into one file with a filesystem, and a
//! kernel. Guests write to a file of their own beside it, never to the image.

mod boot;
mod kind;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::layout;
use crate::layer::{is_current, layer, stamp};
use crate::packages::Packages;

pub use boot::make_boot;
pub(crate) use boot::{complete, disk_inputs, make_disk};
pub(crate) use kind::File;
pub use kind::Kind;

/// The release whose packages these are.
const SUITE: &str = "trixie";

/// Names of the files in the layer that guests boot from.
const KERNEL: &str = "linux";
const DISK: &str = "disk.ext4";
const REGISTERS: &str = "registers.so";

/// What a guest boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// User-Mode Linux: a program that runs in a Debian of that release.
    pub kernel: PathBuf,
    /// A library that it is loaded with.
    pub registers: PathBuf,
    /// The filesystem.
    pub disk: PathBuf,
}

fn packages(kind: Kind) -> Packages {
    Packages {
        names: kind.packages(),
        forget: kind.forgotten(),
        workshop: layout::workshop(),
        logs: layout::logs(),
    }
}

/// Of the layer of packages, which lies over those of a simpler kind.
pub(crate) fn packages_stamp(kind: Kind) -> String {
    let own = packages(kind).inputs(kind.revision());
    match kind.over() {
        Some(below) => stamp(&[packages_stamp(below), own]),
        None => stamp(&[own]),
    }
}

fn boot_stamp(kind: Kind) -> String {
    stamp(&[packages_stamp(kind), boot::inputs(kind)])
}

/// Directories that a layer over the packages of that kind lies over, the uppermost first.
pub(crate) fn layers(kind: Option<Kind>) -> Result<Vec<PathBuf>> {
    let Some(kind) = kind else { return Ok(vec![debian_root::root(SUITE)?]) };
    let mut all = vec![layout::packages(kind)];
    all.extend(layers(kind.over())?);
    Ok(all)
}

/// Makes the image unless it is up to date.
///
/// # Errors
/// What failed. The next call goes on from there.
pub fn image(kind: Kind) -> Result<Image> {
    debian_root::require_root()?;
    let _lock = layout::lock()?;
    install(kind)?;
    layer(kind.what(), &layout::boot(kind), &boot_stamp(kind), |part| {
        boot::make(kind, &layers(Some(kind))?, part)
    })?;
    current(kind)
}

/// Makes the layers of packages. The caller holds the lock.
pub(crate) fn install(kind: Kind) -> Result<()> {
    if let Some(below) = kind.over() {
        install(below)?;
    }
    let below = layers(kind.over())?;
    let command = ["vm", "install-packages", kind.word()];
    layer("packages", &layout::packages(kind), &packages_stamp(kind), |part| {
        packages(kind).make(&command, &below, part)
    })
}

/// The image, if it is up to date.
pub(crate) fn current(kind: Kind) -> Result<Image> {
    let boot = layout::boot(kind);
    if !is_current(&boot, &boot_stamp(kind)) {
        let word = kind.word();
        bail!(
            "there is no image `{word}` for guests, or it is out of date; make it with `cargo xtask lab vm image {word}`"
        );
    }
    Ok(Image { kernel: boot.join(KERNEL), registers: boot.join(REGISTERS), disk: boot.join(DISK) })
}

/// An unpacked Debian in which the kernel runs.
pub(crate) fn root() -> Result<PathBuf> {
    debian_root::root(SUITE)
}

/// The part of the packages' installation that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn install_packages(kind: Kind, layer: &Path, below: &[PathBuf]) -> Result<()> {
    packages(kind).install(layer, below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_part_of_what_guests_boot_from() {
        for kind in [Kind::Host, Kind::Storage] {
            assert_ne!(packages_stamp(kind), boot_stamp(kind));
            assert_eq!((packages_stamp(kind), boot_stamp(kind)), (packages_stamp(kind), boot_stamp(kind)));
        }
    }

    #[test]
    fn each_kind_has_an_image_of_its_own() {
        assert_ne!(packages_stamp(Kind::Host), packages_stamp(Kind::Storage));
        assert_ne!(boot_stamp(Kind::Host), boot_stamp(Kind::Storage));
        assert_ne!(layout::boot(Kind::Host), layout::boot(Kind::Storage));
    }
}
