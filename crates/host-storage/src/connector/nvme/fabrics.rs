//! What is asked of the kernel: connect, look again, let go.
//!
//! Source: linux/drivers/nvme/host/fabrics.c, whose option string is written to `/dev/nvme-fabrics`.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::host::HostName;
use super::link::{NvmeLink, NvmePortal};
use crate::connector::Machine;
use crate::connector::program::Program;
use crate::{Error, Result};

/// The kernel waits for minutes for a portal that is silent, and cannot be interrupted.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const MODPROBE: Program = Program { name: "modprobe", package: "kmod" };
const LOADED_WITHIN: Duration = Duration::from_secs(30);
const FABRICS: &str = "/dev/nvme-fabrics";

/// The kernel, or what stands for it in tests.
pub(super) trait Kernel: Sync {
    /// Makes sure that NVMe over TCP can be had.
    fn prepare(&self, machine: &Machine) -> Result<()>;
    /// Whether something listens there.
    fn answers(&self, portal: NvmePortal) -> io::Result<()>;
    /// Makes a controller, live when this returns.
    fn connect(&self, machine: &Machine, options: &str) -> io::Result<()>;
    /// Writes `1` to an attribute that starts something.
    fn order(&self, attribute: &Path) -> io::Result<()>;
}

#[derive(Debug)]
pub(super) struct Linux;

impl Kernel for Linux {
    fn prepare(&self, machine: &Machine) -> Result<()> {
        let there = || machine.path(FABRICS).exists() && machine.path("/sys/module/nvme_tcp").exists();
        if there() {
            return Ok(());
        }
        let about = machine.path(FABRICS);
        let loaded = MODPROBE.succeed(machine, &["nvme-tcp"], FABRICS, LOADED_WITHIN);
        // What is built in may have no directory of its own.
        if about.exists() && (loaded.is_ok() || there()) {
            return Ok(());
        }
        let why = loaded.err().map(|e| format!(": {e}")).unwrap_or_default();
        Err(Error::Tool {
            program: MODPROBE.name,
            path: about,
            reason: format!(
                "this kernel has no NVMe over TCP, load its modules nvme-tcp and nvme-fabrics{why}"
            ),
        })
    }

    fn answers(&self, portal: NvmePortal) -> io::Result<()> {
        TcpStream::connect_timeout(&SocketAddr::new(portal.address, portal.port), ANSWER_WITHIN).map(drop)
    }

    fn connect(&self, machine: &Machine, options: &str) -> io::Result<()> {
        let mut device = OpenOptions::new().read(true).write(true).open(machine.path(FABRICS))?;
        // One write, whole: the kernel parses what one call brings.
        let written = device.write(options.as_bytes())?;
        if written != options.len() {
            return Err(io::Error::other("the kernel took only a part of the options"));
        }
        // `instance=0,cntlid=1`
        let mut answer = [0; 64];
        device.read(&mut answer).map(drop)
    }

    fn order(&self, attribute: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).open(attribute)?.write_all(b"1")
    }
}

/// Reconnecting never ends (`ctrl_loss_tmo=-1`): a filesystem waits for its storage instead of losing what was written.
pub(super) fn options(link: &NvmeLink, portal: NvmePortal, host: &HostName) -> String {
    let mut options = format!(
        "nqn={},transport=tcp,traddr={},trsvcid={},hostnqn={},ctrl_loss_tmo=-1",
        link.nqn, portal.address, portal.port, host.nqn
    );
    if let Some(id) = &host.id {
        options.push_str(",hostid=");
        options.push_str(id);
    }
    options
}
