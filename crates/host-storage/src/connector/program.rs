//! Programs of the host, with arguments as a list, a deadline, and no secrets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Machine;
use crate::program::{NoEnd, await_end, words};
use crate::{Error, Result};

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
        let said = await_end(&self.path(machine), args, deadline).map_err(|why| match why {
            NoEnd::Missing => Error::ToolMissing { program: self.name, package: self.package },
            NoEnd::Failed(reason) => Error::Tool { program: self.name, path: PathBuf::from(subject), reason },
        })?;
        let stderr = words(&said.stderr).chars().take(300).collect();
        Ok(Ended { code: said.status.code(), stdout: said.stdout, stderr })
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

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
