//! Mount programs with a deadline.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, kill_process_group};

use super::program::Invocation;
use crate::program::one_line;
use crate::{Error, Result};

/// How long a killed program may take to end before it is left to itself.
const DYING: Duration = Duration::from_secs(2);
/// Bytes of a program's complaint that are read.
const COMPLAINT: u64 = 4096;

/// Runs a mount program to its end, or to the deadline: then it is killed, with its children that are still in its
/// process group.
pub(super) fn run(invocation: &Invocation, mountpoint: &Path, deadline: Duration) -> Result<()> {
    let program = invocation.program;
    let failed = |reason: String| Error::Tool { program, path: mountpoint.to_owned(), reason };
    // A file, not a pipe: a daemon that stays behind would hold a pipe open.
    let mut complaint = anonymous(c"complaint").map_err(|e| failed(e.to_string()))?;
    let stderr = complaint.try_clone().map_err(|e| failed(e.to_string()))?;
    let stdin = match &invocation.secret {
        None => Stdio::null(),
        Some(secret) => {
            let mut file = anonymous(c"secret").map_err(|e| failed(e.to_string()))?;
            file.write_all(secret.as_bytes())
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .map_err(|e| failed(e.to_string()))?;
            file.into()
        }
    };
    let search = std::env::var("PATH").unwrap_or_default();
    let mut child = Command::new(program)
        .args(&invocation.arguments)
        .env_clear()
        .env("PATH", format!("{search}:/usr/sbin:/sbin:/usr/bin:/bin"))
        .env("LC_ALL", "C")
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::ToolMissing { program, package: invocation.package },
            _ => failed(e.to_string()),
        })?;
    match wait(&mut child, deadline) {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            let mut text = Vec::new();
            let read = complaint
                .seek(SeekFrom::Start(0))
                .and_then(|_| complaint.take(COMPLAINT).read_to_end(&mut text));
            let _ = read;
            Err(failed(one_line(&text, status)))
        }
        None => {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            if wait(&mut child, DYING).is_none() {
                tracing::warn!(program, mountpoint = %mountpoint.display(), "a mount program does not die");
                std::thread::spawn(move || drop(child.wait()));
            }
            Err(Error::NotAnswering { path: mountpoint.to_owned(), seconds: deadline.as_secs() })
        }
    }
}

fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if started.elapsed() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// A file that only this process and its child can see, and that is gone with them.
fn anonymous(name: &CStr) -> std::io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, secret: Option<&str>) -> Invocation {
        Invocation {
            program: "sh",
            package: "dash",
            arguments: vec!["-c".into(), script.into()],
            secret: secret.map(Into::into),
        }
    }

    #[test]
    fn h59_a_secret_reaches_the_program_as_a_file_and_only_so() {
        let script = r#"
            test "$(cat /dev/stdin)" = "key=s3""cret" || exit 3
            ! tr '\0' '\n' < /proc/$$/cmdline | grep -q s3"cret" || exit 4
            ! env | grep -q s3"cret" || exit 5
        "#;
        run(&shell(script, Some("key=s3cret")), Path::new("/m"), Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn a_program_that_fails_is_quoted_in_one_line() {
        let error = run(
            &shell("echo one >&2; echo two >&2; exit 32", None),
            Path::new("/m"),
            Duration::from_secs(10),
        );
        assert_eq!(error.unwrap_err().to_string(), "sh on /m failed: one two");
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children_at_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let (late, started) = (dir.path().join("late"), Instant::now());
        let script = format!("(sleep 3; touch {}) & sleep 60", late.display());
        let error = run(&shell(&script, None), Path::new("/m"), Duration::from_millis(300)).unwrap_err();
        assert!(matches!(error, Error::NotAnswering { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(3));
        std::thread::sleep(
            Duration::from_secs(3).saturating_sub(started.elapsed()) + Duration::from_millis(500),
        );
        assert!(!late.exists(), "a child of it lived on");
    }

    #[test]
    fn a_daemon_that_stays_behind_does_not_hold_us() {
        let started = Instant::now();
        run(&shell("setsid sleep 5 & exit 0", None), Path::new("/m"), Duration::from_secs(10)).unwrap();
        assert!(started.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let invocation = Invocation {
            program: "mount.nothing",
            package: "nothing-common",
            arguments: Vec::new(),
            secret: None,
        };
        let error = run(&invocation, Path::new("/m"), Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("install the Debian package nothing-common"), "{error}");
    }
}
