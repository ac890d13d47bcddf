//! Programs of the host, with arguments as a list, a deadline, and no secrets.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::Machine;
use crate::{Error, Result};

/// How long output may take after the program has ended.
const TAIL: Duration = Duration::from_millis(200);
/// More than anybody reads.
const OUTPUT: u64 = 64 << 10;

/// A program and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained of, one line.
    pub(crate) stderr: String,
}

impl Program {
    /// Runs it to its end. `subject` is what it works on, for errors.
    ///
    /// # Errors
    /// [`Error::ToolMissing`]; [`Error::Tool`] when it cannot be started or has not ended in time, and is killed then.
    pub(crate) fn run(
        self,
        machine: &Machine,
        args: &[&str],
        subject: &str,
        deadline: Duration,
    ) -> Result<Ended> {
        let failed =
            |reason: String| Error::Tool { program: self.name, path: PathBuf::from(subject), reason };
        let mut child = Command::new(self.path(machine))
            .args(args)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => {
                    Error::ToolMissing { program: self.name, package: self.package }
                }
                _ => failed(e.to_string()),
            })?;
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let (started, mut pause) = (Instant::now(), Duration::from_millis(1));
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|e| failed(e.to_string()))? {
                break status;
            }
            if started.elapsed() >= deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!("it did not end within {} s", deadline.as_secs_f32())));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let text = |from: Receiver<Vec<u8>>| from.recv_timeout(TAIL).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&text(stderr)).split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Ended {
            code: status.code(),
            stdout: String::from_utf8_lossy(&text(stdout)).into_owned(),
            stderr: stderr.chars().take(300).collect(),
        })
    }

    /// As [`Program::run`], and it must succeed.
    pub(crate) fn succeed(
        self,
        machine: &Machine,
        args: &[&str],
        subject: &str,
        deadline: Duration,
    ) -> Result<String> {
        let ended = self.run(machine, args, subject, deadline)?;
        if ended.code == Some(0) {
            return Ok(ended.stdout);
        }
        let code = ended.code.map_or("a signal".to_owned(), |c| format!("status {c}"));
        let said = if ended.stderr.is_empty() { ended.stdout.trim() } else { &ended.stderr };
        Err(Error::Tool {
            program: self.name,
            path: PathBuf::from(subject),
            reason: format!("it ended with {code}: {said}"),
        })
    }

    fn path(self, machine: &Machine) -> PathBuf {
        let own = machine.path("/");
        if own == Path::new("/") { self.name.into() } else { own.join("usr/sbin").join(self.name) }
    }
}

/// Reads beside the program, which would wait for a full pipe. A daemon that it leaves behind may keep the pipe open for
/// ever; nobody waits for that.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(OUTPUT).read_to_end(&mut bytes);
            let _ = sender.send(bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: Program = Program { name: "sh", package: "dash" };

    fn sh(script: &str, deadline: u64) -> Result<Ended> {
        SH.run(&Machine::default(), &["-c", script], "nothing", Duration::from_millis(deadline))
    }

    #[test]
    fn status_and_output_come_back() {
        let ended = sh("echo out; echo one >&2; echo two >&2; exit 7", 5000).unwrap();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(7), "out\n"));
        assert_eq!(ended.stderr, "one two");
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let started = Instant::now();
        let error = sh("exec sleep 30", 100).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn nobody_waits_for_what_a_program_leaves_behind() {
        let started = Instant::now();
        assert_eq!(sh("sleep 3 & exit 0", 2000).unwrap().code, Some(0));
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn much_output_does_not_block_the_program() {
        assert_eq!(sh("head -c 1000000 /dev/zero", 20_000).unwrap().code, Some(0));
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let missing = Program { name: "no-such-program-anywhere", package: "that-package" };
        let error = missing.run(&Machine::default(), &[], "x", Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("install the Debian package that-package"), "{error}");
    }
}
