//! The host's first process: makes its world, says so, then reaps until its owner is gone.

use std::ffi::CString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change, unmount,
};

use crate::root::Settings;

/// First argument of the process that unshares and waits.
pub(crate) const OUTER: &str = "--private-host-outer";
/// First argument of pid 1.
pub(crate) const INNER: &str = "--private-host-inner";

/// Takes over when this process was started as part of a private host; returns at once otherwise. The first
/// statement of `main`, before any thread exists.
pub fn intercept() {
    let mut args = std::env::args().skip(1);
    let code = match (args.next().as_deref(), args.next()) {
        (Some(OUTER), Some(settings)) => report(outer(&settings)),
        (Some(INNER), Some(settings)) => report(inner(&settings)),
        _ => return,
    };
    std::process::exit(code)
}

fn report(result: Result<(), String>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(reason) => {
            let _ = writeln!(std::io::stdout(), "failed {}", reason.replace('\n', " "));
            1
        }
    }
}

/// New namespaces, then a child that is pid 1 in them.
fn outer(settings: &str) -> Result<(), String> {
    os::private::unshare_host().map_err(|e| format!("unshare namespaces: {e}"))?;
    let mut child = Command::new("/proc/self/exe")
        .args([INNER, settings])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("start the first process: {e}"))?;
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut reader = std::io::BufReader::new(stdout);
        let _ = std::io::BufRead::read_line(&mut reader, &mut answer);
    }
    if answer.trim_end() != "ready" {
        let _ = child.wait();
        let reason =
            answer.trim_end().strip_prefix("failed ").unwrap_or("the first process ended").to_owned();
        return Err(reason);
    }
    writeln!(std::io::stdout(), "ready {}", child.id()).map_err(|e| e.to_string())?;
    let _ = child.wait();
    Ok(())
}

/// Pid 1: mounts, host name, loopback; then reaps orphans until standard input closes.
fn inner(settings: &str) -> Result<(), String> {
    let settings: Settings = serde_json::from_str(settings).map_err(|e| format!("settings: {e}"))?;
    let root = settings.dir.join("root");
    step(
        "make mounts private",
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC),
    )?;
    lay_root(&settings, &root)?;
    step("enter the new root", rustix::process::chdir(&root))?;
    step("pivot into the new root", rustix::process::pivot_root(".", "."))?;
    step("leave the old root", unmount(".", UnmountFlags::DETACH))?;
    step("go to the new root", rustix::process::chdir("/"))?;
    step("share mounts", mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC))?;
    step("set the host name", rustix::system::sethostname(settings.name.as_bytes()))?;
    let lo = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    if !lo.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Err(format!("bring the loopback interface up with `ip`: {lo:?}"));
    }
    step("turn forwarding on", std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))?;
    writeln!(std::io::stdout(), "ready").map_err(|e| e.to_string())?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        if rustix::process::wait(rustix::process::WaitOptions::empty()).is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn lay_root(settings: &Settings, root: &Path) -> Result<(), String> {
    match settings.root.lower() {
        None => step("bind the machine's root", mount_bind_recursive("/", root))?,
        Some(lower) => {
            let options = format!(
                "lowerdir={lower},upperdir={},workdir={}",
                settings.dir.join("upper").display(),
                settings.dir.join("work").display()
            );
            let options = CString::new(options).map_err(|e| e.to_string())?;
            step(
                "mount the overlay root",
                mount("overlay", root, "overlay", MountFlags::empty(), &*options),
            )?;
            step("bind /dev", mount_bind_recursive("/dev", root.join("dev")))?;
            step("mount /tmp", mount("tmpfs", root.join("tmp"), "tmpfs", MountFlags::empty(), None))?;
        }
    }
    step("mount /proc", mount("proc", root.join("proc"), "proc", MountFlags::empty(), None))?;
    step("mount /sys", mount("sysfs", root.join("sys"), "sysfs", MountFlags::empty(), None))?;
    step("bind cgroups", mount_bind_recursive("/sys/fs/cgroup", root.join("sys/fs/cgroup")))?;
    step("mount /run", mount("tmpfs", root.join("run"), "tmpfs", MountFlags::empty(), Some(c"mode=0755")))?;
    for path in settings.share.iter().chain([&settings.dir.join("docker")]) {
        let inside = root.join(path.strip_prefix("/").unwrap_or(path));
        step("make a shared directory", std::fs::create_dir_all(&inside))?;
        step("bind a shared directory", mount_bind_recursive(path, &inside))?;
    }
    Ok(())
}

fn step<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|e| format!("{what}: {e}"))
}
