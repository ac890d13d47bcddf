//! A site's scripts, run as programs with a clean environment.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::host::{Hooks, HostError};
use crate::names;

/// A script has this long; then it and what it started are killed. Docker waits 30 s for all of it.
const DEADLINE: Duration = Duration::from_secs(10);
/// What is kept of its complaints, in bytes.
const COMPLAINT: usize = 2048;
/// Where it finds its tools.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Pause before a script that is just being written is tried again.
const BUSY: Duration = Duration::from_millis(50);
/// How often.
const BUSY_TRIES: usize = 20;
/// What the script wrote last may still be in the pipe when it has ended.
const GRACE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Scripts {
    bindir: PathBuf,
    deadline: Duration,
}

impl Scripts {
    pub(super) fn new(bindir: PathBuf) -> Self {
        Self { bindir, deadline: DEADLINE }
    }

    /// Its path, if there is one and the name cannot lead anywhere else.
    fn path(&self, vif_type: &str) -> Option<PathBuf> {
        let path = names::is_vif_type(vif_type).then(|| self.bindir.join(vif_type))?;
        let about = path.metadata().ok()?;
        (about.is_file() && about.permissions().mode() & 0o111 != 0).then_some(path)
    }
}

impl Scripts {
    async fn start(&self, path: &Path, arguments: &[String]) -> io::Result<Child> {
        let mut tries = BUSY_TRIES;
        loop {
            let mut command = Command::new(path);
            command.args(arguments).env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            match command.process_group(0).kill_on_drop(true).spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries > 0 => {
                    tries -= 1;
                    tokio::time::sleep(BUSY).await;
                }
                other => return other,
            }
        }
    }
}

#[async_trait]
impl Hooks for Scripts {
    fn has(&self, vif_type: &str) -> bool {
        self.path(vif_type).is_some()
    }

    async fn run(&self, vif_type: &str, arguments: &[String]) -> Result<bool, HostError> {
        let Some(path) = self.path(vif_type) else { return Ok(false) };
        let refused = |error: io::Error| HostError(format!("{}: {error}", path.display()));
        let mut child = self.start(&path, arguments).await.map_err(refused)?;
        let mut complaints = Complaints::of(&mut child);
        let status = match tokio::time::timeout(self.deadline, child.wait()).await {
            Ok(status) => status.map_err(refused)?,
            Err(_) => {
                kill(&mut child).await;
                let seconds = self.deadline.as_secs();
                let last = complaints.last_words().await;
                return Err(HostError(format!("killed after {seconds} s: {last}")));
            }
        };
        if status.success() {
            return Ok(true);
        }
        Err(HostError(format!("{}: {}", how_it_ended(status), complaints.last_words().await)))
    }
}

/// Kills the script with everything it started.
async fn kill(child: &mut Child) {
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::warn!(%error, "cannot kill a script");
    }
    let _ = child.wait().await;
}

fn how_it_ended(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "killed".to_owned(),
    }
}

/// The end of what a script writes to standard error.
struct Complaints {
    end: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Complaints {
    /// Reads on as long as anybody can write: what the script leaves running must not die of a closed pipe.
    fn of(child: &mut Child) -> Self {
        let end = Arc::new(Mutex::new(Vec::new()));
        let (pipe, kept) = (child.stderr.take(), Arc::clone(&end));
        let reader = tokio::spawn(async move {
            let Some(mut pipe) = pipe else { return };
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(buffer.iter().take(count));
                let surplus = kept.len().saturating_sub(COMPLAINT);
                kept.drain(..surplus);
            }
        });
        Self { end, reader }
    }

    /// In one line; does not wait for what the script left running.
    async fn last_words(&mut self) -> String {
        let _ = tokio::time::timeout(GRACE, &mut self.reader).await;
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&end);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() { "it says nothing".to_owned() } else { words.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{FileExt, OpenOptionsExt};
    use std::time::Instant;

    use super::*;

    fn with(name: &str, text: &str) -> (tempfile::TempDir, Scripts) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = File::options();
        let file =
            options.create(true).write(true).truncate(true).mode(0o755).open(dir.path().join(name)).unwrap();
        file.write_all_at(format!("#!/bin/sh\n{text}\n").as_bytes(), 0).unwrap();
        let scripts = Scripts { bindir: dir.path().to_owned(), deadline: Duration::from_secs(5) };
        (dir, scripts)
    }

    async fn complaint(scripts: &Scripts) -> String {
        scripts.run("midonet", &["bind".to_owned()]).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_script_sees_its_arguments_and_nothing_of_our_environment() {
        let dir = tempfile::tempdir().unwrap();
        let seen = dir.path().join("seen");
        let (_bindir, scripts) =
            with("midonet", &format!("{{ env; echo \"$# $1 <$2>\"; pwd; }} > {}", seen.display()));
        assert!(scripts.run("midonet", &["bind".to_owned(), "a b".to_owned()]).await.unwrap());
        let seen = std::fs::read_to_string(seen).unwrap();
        assert!(seen.contains("2 bind <a b>\n/\n") && seen.contains("LC_ALL=C"), "{seen}");
        assert!(!seen.contains("CARGO") && !seen.contains("HOME="), "{seen}");
    }

    #[tokio::test]
    async fn the_end_of_its_complaints_is_the_error_in_one_line() {
        let (_bindir, scripts) =
            with("midonet", "echo fine; for i in $(seq 999); do echo line $i >&2; done; exit 3");
        let text = complaint(&scripts).await;
        assert!(text.starts_with("exit code 3: ") && text.ends_with("line 998 line 999"), "{text}");
        assert!(!text.contains('\n') && text.len() < 2200);
        let (_bindir, scripts) = with("midonet", "exit 1");
        assert_eq!(complaint(&scripts).await, "exit code 1: it says nothing");
        let (_bindir, scripts) = with("midonet", "kill -9 $$");
        assert!(complaint(&scripts).await.starts_with("killed"));
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_killed_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let (_bindir, mut scripts) =
            with("midonet", &format!("sleep 60 & echo $! > {}; wait", pid.display()));
        scripts.deadline = Duration::from_millis(500);
        let text = complaint(&scripts).await;
        assert!(text.contains("killed after"), "{text}");
        let pid = std::fs::read_to_string(pid).unwrap();
        let lives = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim()));
            status.is_ok_and(|status| !status.contains("\nState:\tZ"))
        };
        // A signal is answered when its process runs next.
        let begun = Instant::now();
        while lives() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{pid} lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_script_that_complains_without_end_fills_no_memory() {
        let (_bindir, mut scripts) = with("midonet", "exec yes out of order >&2");
        scripts.deadline = Duration::from_millis(300);
        let text = complaint(&scripts).await;
        assert!(text.contains("out of order") && text.len() < 2200, "{}", text.len());
    }

    #[tokio::test]
    async fn what_it_leaves_running_is_not_waited_for() {
        let (_bindir, scripts) = with("midonet", "sleep 3 &\nexit 0");
        let begun = Instant::now();
        assert!(scripts.run("midonet", &[]).await.unwrap());
        assert!(begun.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn only_an_executable_file_of_the_directory_is_one() {
        let (bindir, scripts) = with("midonet", "exit 0");
        assert!(scripts.has("midonet"));
        std::fs::write(bindir.path().join("plain"), "").unwrap();
        std::fs::create_dir(bindir.path().join("folder")).unwrap();
        std::fs::create_dir(bindir.path().join("sub")).unwrap();
        let inner = Scripts { bindir: bindir.path().join("sub"), deadline: DEADLINE };
        for name in ["absent", "plain", "folder", "", ".", "..", "../midonet", "sub/../midonet", "/bin/sh"] {
            assert!(!scripts.has(name), "{name}");
            assert!(!inner.has(name), "{name}");
            assert!(!scripts.run(name, &[]).await.unwrap(), "{name}");
        }
    }
}
