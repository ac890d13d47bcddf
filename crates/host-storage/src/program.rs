//! Programs of Debian's packages: arguments as a list, an end in sight, one line of what they say.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A program, and what it works on for errors.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// The device or directory it works on.
    pub(crate) on: &'a Path,
    /// How long it may take; it is killed then.
    pub(crate) within: Duration,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    /// What it said on standard error, or else on standard output, in one line; never empty.
    pub(crate) said: String,
}

impl Program<'_> {
    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// [`Error::ToolMissing`], or [`Error::Tool`] when it took too long.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        let failed = |reason: String| Error::Tool { program: self.name, path: self.on.to_owned(), reason };
        // Files instead of pipes: a program that outlives its deadline, or a child of it, cannot keep us waiting.
        let (mut out, mut err) = match (unnamed(), unnamed()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(e), _) | (_, Err(e)) => return Err(failed(e.to_string())),
        };
        let (out_end, err_end) = match (out.try_clone(), err.try_clone()) {
            (Ok(out), Ok(err)) => (out, err),
            (Err(e), _) | (_, Err(e)) => return Err(failed(e.to_string())),
        };
        let spawned = Command::new(self.name)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(out_end)
            .stderr(err_end)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::ToolMissing { program: self.name, package: self.package });
            }
            Err(e) => return Err(failed(e.to_string())),
        };
        let end = Instant::now() + self.within;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < end => std::thread::sleep(LOOK),
                Ok(None) => {
                    let _ = child.kill();
                    // One that hangs in the kernel cannot be waited for.
                    let _ = child.try_wait();
                    return Err(failed(format!("it did not end within {} s", self.within.as_secs())));
                }
                Err(e) => return Err(failed(e.to_string())),
            }
        };
        let (stdout, stderr) = (text(&mut out), text(&mut err));
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = [line(&stderr), line(&stdout), status.to_string()];
        let said = said.into_iter().find(|t| !t.is_empty()).unwrap_or_default();
        Ok(Ended { status, stdout, said: said.chars().take(300).collect() })
    }

    /// Runs it; it must succeed. What it prints.
    ///
    /// # Errors
    /// Those of [`Self::run`], and [`Error::Tool`] with what it says.
    pub(crate) fn must(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.run(arguments)?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        Err(Error::Tool { program: self.name, path: self.on.to_owned(), reason: ended.said })
    }
}

/// A file in memory.
fn unnamed() -> std::io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(File::from(rustix::fs::memfd_create("said", flags)?))
}

fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(1 << 20).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => error.to_string(),
    }
}

/// What a program said, in one line; its exit status if it said nothing.
pub(crate) fn one_line(said: &[u8], status: ExitStatus) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { status.to_string() } else { line.chars().take(300).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &'static str, within: Duration) -> Program<'static> {
        Program { name, package: "coreutils", on: Path::new("/dev/x"), within }
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let started = Instant::now();
        let error = program("sleep", Duration::from_millis(50)).must(&["60"]).unwrap_err().to_string();
        assert_eq!(error, "sleep on /dev/x failed: it did not end within 0 s");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_it_says_is_one_line_and_a_missing_one_names_its_package() {
        let long = Duration::from_secs(20);
        assert_eq!(program("printf", long).must(&["a\nb"]).unwrap(), "a\nb");
        let said = program("ls", long).must(&["/nowhere/at all"]).unwrap_err().to_string();
        assert!(said.starts_with("ls on /dev/x failed: ls: ") && !said.contains('\n'), "{said}");
        assert!(matches!(program("no-such-program", long).run(&[]), Err(Error::ToolMissing { .. })));
    }
}
