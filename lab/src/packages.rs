//! A layer of Debian packages over an unpacked root. `apt-get` runs in a mount and pid namespace of its own, with the
//! machine's network.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use debian_root::Program;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use crate::layer::remove;

/// No service starts while packages are installed.
const POLICY: &str = "#!/bin/sh\nexit 101\n";
const NO_DOCUMENTATION: &str =
    "path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n";

/// Packages, and where they go.
#[derive(Debug)]
pub(crate) struct Packages {
    /// Their names.
    pub(crate) names: &'static [&'static str],
    /// Directories of the root whose content is not kept.
    pub(crate) forget: &'static [&'static str],
    /// For what is needed meanwhile.
    pub(crate) workshop: PathBuf,
    /// Where `apt-get` logs, as `packages.log`.
    pub(crate) logs: PathBuf,
}

impl Packages {
    /// Everything the layer is made from; `revision` is to be raised when [`Packages::install`] changes in what it
    /// leaves.
    pub(crate) fn inputs(&self, revision: &str) -> String {
        format!("{revision} {} {POLICY} {NO_DOCUMENTATION}", self.names.join(" "))
    }

    /// Fills the directory, which is to lie over others, the uppermost first. `command` is that of this program which
    /// calls [`Packages::install`].
    pub(crate) fn make(&self, command: &[&str], below: &[PathBuf], layer: &Path) -> Result<()> {
        remove(&self.workshop)?;
        let (root, work) = (self.workshop.join("root"), self.workshop.join("work"));
        for dir in [layer, &root, &work, &debian_root::package_cache()] {
            fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        }
        Program::contained(std::env::current_exe().context("find this program")?)
            .args(command)
            .arg(layer)
            .args(below)
            .run()?;
        remove(&self.workshop)
    }

    /// The part that runs in namespaces of its own.
    pub(crate) fn install(&self, layer: &Path, below: &[PathBuf]) -> Result<()> {
        let root = self.workshop.join("root");
        mount_layer(&join(below), layer, &self.workshop.join("work"), &root)?;
        mount_system(&root)?;
        let keep = [("etc/dpkg/dpkg.cfg.d/kuryr-lab", NO_DOCUMENTATION), ("usr/sbin/policy-rc.d", POLICY)];
        for (path, text) in keep {
            fs::write(root.join(path), text).with_context(|| format!("write {path}"))?;
        }
        fs::set_permissions(root.join("usr/sbin/policy-rc.d"), fs::Permissions::from_mode(0o755))
            .context("make the policy a program")?;
        // The machine's way to its archive: name servers, proxies.
        fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).context("copy resolv.conf")?;
        let machine = Program::new("apt-config").args(["dump", "Acquire"]).output()?;
        let options = root.join("etc/apt/apt.conf.d/90machine");
        fs::write(&options, machine).context("write apt's options")?;
        self.apt(&root, &["update", "--quiet", "--quiet"])?;
        let install = [
            "--option=APT::Keep-Downloaded-Packages=true",
            "--option=Dpkg::Use-Pty=0",
            "install",
            "--yes",
            "--quiet",
            "--quiet",
            "--no-install-recommends",
        ];
        self.apt(&root, &[&install[..], self.names].concat())?;
        fs::remove_file(&options).context("remove apt's options")?;
        for dir in self.forget.iter().chain(&["var/lib/apt/lists"]) {
            remove(&root.join(dir))?;
        }
        Ok(())
    }

    fn apt(&self, root: &Path, args: &[&str]) -> Result<()> {
        let mut command = in_root(root, &[&["apt-get"][..], args].concat());
        // Nobody boots with the first filesystem that the package of a kernel would make, which takes long.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("INITRD", "No");
        let log = self.logs.join("packages.log");
        fs::create_dir_all(&self.logs).context("create the directory of logs")?;
        let open = || fs::File::options().create(true).append(true).open(&log);
        command.stdout(open()?).stderr(open()?);
        let status = command.status().context("cannot start chroot")?;
        if !status.success() {
            bail!("apt-get {} ended with {status}; see {}", args.join(" "), log.display());
        }
        Ok(())
    }
}

/// A command in an unpacked root, with nothing of our own environment.
pub(crate) fn in_root(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).args(words).stdin(Stdio::null());
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LANG", "C.UTF-8");
    command
}

/// Directories, the uppermost first, as the kernel takes them.
pub(crate) fn join(layers: &[PathBuf]) -> String {
    layers.iter().map(|layer| layer.to_string_lossy()).collect::<Vec<_>>().join(":")
}

/// Mounts `upper` over the directories `lower`, joined as the kernel takes them.
pub(crate) fn mount_layer(lower: &str, upper: &Path, work: &Path, root: &Path) -> Result<()> {
    let options = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
    mount("overlay", root, "overlay", MountFlags::empty(), &*CString::new(options)?)
        .context("mount the layer")
}

fn mount_system(root: &Path) -> Result<()> {
    mount("proc", root.join("proc"), "proc", MountFlags::empty(), None).context("mount /proc")?;
    mount_bind_recursive("/dev", root.join("dev")).context("bind /dev")?;
    for dir in ["tmp", "run"] {
        mount("tmpfs", root.join(dir), "tmpfs", MountFlags::empty(), None)
            .with_context(|| format!("mount /{dir}"))?;
    }
    mount_bind(debian_root::package_cache(), root.join("var/cache/apt/archives"))
        .context("bind the package cache")
}
