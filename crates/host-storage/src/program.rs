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
        let started = Instant::now();
        let Said { status, stdout, stderr } = await_end(Path::new(self.name), arguments, self.within)
            .map_err(|why| match why {
                NoEnd::Missing => Error::ToolMissing { program: self.name, package: self.package },
                NoEnd::Failed(reason) => Error::Tool { program: self.name, path: self.on.to_owned(), reason },
            })?;
        tracing::debug!(
            program = self.name,
            on = %self.on.display(),
            elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            %status,
            "ended"
        );
        let said = [words(&stderr), words(&stdout), status.to_string()];
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

/// What a program left.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why it left nothing.
#[derive(Debug)]
pub(crate) enum NoEnd {
    /// There is no such program.
    Missing,
    /// It cannot be started, or took too long and was killed.
    Failed(String),
}

/// Runs a program with these arguments to its end. What it prints goes to files instead of pipes: neither a program that
/// outlives its deadline nor a child of it keeps us waiting.
pub(crate) fn await_end(
    program: &Path,
    arguments: &[&str],
    within: Duration,
) -> std::result::Result<Said, NoEnd> {
    let failed = |e: std::io::Error| NoEnd::Failed(e.to_string());
    let (mut out, mut err) = (unnamed().map_err(failed)?, unnamed().map_err(failed)?);
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(failed)?)
        .stderr(err.try_clone().map_err(failed)?)
        .spawn()
        .map_err(|e| if e.kind() == std::io::ErrorKind::NotFound { NoEnd::Missing } else { failed(e) })?;
    let end = Instant::now() + within;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() < end => std::thread::sleep(LOOK),
            None => {
                let _ = child.kill();
                // One that hangs in the kernel cannot be waited for.
                let _ = child.try_wait();
                return Err(NoEnd::Failed(format!("it did not end within {} s", within.as_secs_f32())));
            }
        }
    };
    Ok(Said { status, stdout: text(&mut out), stderr: text(&mut err) })
}

/// Words with one space between them.
pub(crate) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
    let line = words(&String::from_utf8_lossy(said));
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
        assert_eq!(error, "sleep on /dev/x failed: it did not end within 0.05 s");
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
