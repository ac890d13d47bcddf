//! The second engine: qemu emulates a machine without help of this one's processor, and Debian's own kernel runs on it.

mod boot;
mod command;
mod emulator;
mod image;
mod initrd;
mod modules;

pub use image::{Step, image, make};

pub(crate) use command::{command, make_changes};
pub(crate) use image::prepare;

/// Names in the directory that guests boot from, and in a guest's: the kernel as a program for the bare machine, what it
/// starts from, the disk of the image, and the emulator with all it needs.
const KERNEL: &str = "vmlinux";
const INITRD: &str = "initrd";
const EMULATOR: &str = "emulator";
