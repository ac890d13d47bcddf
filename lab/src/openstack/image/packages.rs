//! The layer of packages. `apt-get` runs in a mount and pid namespace of its own, with the machine's network.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use debian_root::Program;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};

use crate::openstack::layout;

/// To be raised when [`install_packages`] changes in what it leaves.
const REVISION: &str = "1";

const PACKAGES: [&str; 14] = [
    "keystone",
    "neutron-api",
    "neutron-rpc-server",
    "neutron-openvswitch-agent",
    "neutron-dhcp-agent",
    "openvswitch-switch",
    "mariadb-server",
    "rabbitmq-server",
    "memcached",
    "uwsgi-plugin-python3",
    "python3-openstackclient",
    "docker-cli",
    "iproute2",
    "ethtool",
];

/// No service starts while packages are installed.
const POLICY: &str = "#!/bin/sh\nexit 101\n";
const NO_DOCUMENTATION: &str =
    "path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\npath-exclude=/usr/share/locale/*\n";

/// Everything the layer is made from.
pub(super) fn inputs() -> String {
    format!("{REVISION} {} {POLICY} {NO_DOCUMENTATION}", PACKAGES.join(" "))
}

/// Fills the directory.
pub(super) fn make(base: &Path, layer: &Path) -> Result<()> {
    let workshop = layout::workshop();
    super::remove(&workshop)?;
    for dir in [layer, &workshop.join("root"), &workshop.join("work"), &debian_root::package_cache()] {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    Program::contained(std::env::current_exe().context("find this program")?)
        .args(["openstack", "install-packages"])
        .args([base, layer])
        .run()?;
    super::remove(&workshop)
}

/// The part of the packages' installation that runs in namespaces of its own.
///
/// # Errors
/// What failed.
pub fn install_packages(base: &Path, layer: &Path) -> Result<()> {
    let root = layout::workshop().join("root");
    mount_root(base, layer, &root)?;
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
    apt(&root, &["update", "--quiet", "--quiet"])?;
    let install = [
        "--option=APT::Keep-Downloaded-Packages=true",
        "--option=Dpkg::Use-Pty=0",
        "install",
        "--yes",
        "--quiet",
        "--quiet",
        "--no-install-recommends",
    ];
    apt(&root, &[&install[..], &PACKAGES[..]].concat())?;
    fs::remove_file(&options).context("remove apt's options")?;
    // The databases are made anew with our configuration.
    for dir in ["var/lib/mysql", "var/lib/apt/lists", "var/lib/rabbitmq/mnesia"] {
        super::remove(&root.join(dir))?;
    }
    Ok(())
}

fn mount_root(base: &Path, layer: &Path, root: &Path) -> Result<()> {
    let work = layout::workshop().join("work");
    let options =
        format!("lowerdir={},upperdir={},workdir={}", base.display(), layer.display(), work.display());
    mount("overlay", root, "overlay", MountFlags::empty(), &*CString::new(options)?)
        .context("mount the layer")?;
    mount("proc", root.join("proc"), "proc", MountFlags::empty(), None).context("mount /proc")?;
    mount_bind_recursive("/dev", root.join("dev")).context("bind /dev")?;
    for dir in ["tmp", "run"] {
        mount("tmpfs", root.join(dir), "tmpfs", MountFlags::empty(), None)
            .with_context(|| format!("mount /{dir}"))?;
    }
    mount_bind(debian_root::package_cache(), root.join("var/cache/apt/archives"))
        .context("bind the package cache")
}

fn apt(root: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new("chroot");
    command.arg(root).arg("apt-get").args(args);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
    command.env("LANG", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
    let log = layout::logs().join("packages.log");
    fs::create_dir_all(layout::logs()).context("create the directory of logs")?;
    let open = || fs::File::options().create(true).append(true).open(&log);
    command.stdin(std::process::Stdio::null()).stdout(open()?).stderr(open()?);
    let status = command.status().context("cannot start chroot")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}; see {}", args.join(" "), log.display());
    }
    Ok(())
}
