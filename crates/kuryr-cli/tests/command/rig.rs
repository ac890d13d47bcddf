//! A directory with configuration files, and the command run in it with an environment of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// For whatever must happen soon.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Credentials under keystoneauth's names; the port is nobody's.
pub(crate) const AUTH: &str = "auth_type = password\nauth_url = http://127.0.0.1:9/identity/v3\nusername = demo\n\
    password = hunter2\nproject_name = demo\nuser_domain_id = default\nproject_domain_id = default\n";

pub(crate) struct Rig {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// `kuryr.conf` with a state directory and these sections.
    pub(crate) fn kuryr(&self, default: &str, sections: &str) -> PathBuf {
        let state = self.path("state");
        self.write(
            "kuryr.conf",
            &format!("[DEFAULT]\nstate_dir = {}\n{default}\n{sections}", state.display()),
        )
    }

    /// `fuxi.conf` likewise.
    pub(crate) fn fuxi(&self, default: &str, sections: &str) -> PathBuf {
        let (state, volumes) = (self.path("state"), self.path("volumes"));
        let (state, volumes) = (state.display(), volumes.display());
        self.write(
            "fuxi.conf",
            &format!(
                "[DEFAULT]\nstate_dir = {state}\nvolume_dir = {volumes}\nvolume_providers = cinder\n{default}\n{sections}"
            ),
        )
    }

    /// Sets a variable for the commands to come.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The command, ready for more arguments: in our directory, and without the tester's own environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kuryr"));
        self.prepare(&mut command);
        command.args(args);
        command
    }

    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", self.dir.path());
        command.envs(self.variables.iter().cloned()).current_dir(self.dir.path()).stdin(Stdio::null());
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// `config check` on the files of that name that exist.
    pub(crate) fn check(&self) -> Said {
        let files = self.files();
        self.run(
            &[&["config", "check"], files.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat(),
        )
    }

    /// Arguments that name our files.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for (option, name) in [("--config-file", "kuryr.conf"), ("--fuxi-config-file", "fuxi.conf")] {
            if self.path(name).exists() {
                files.extend([option.to_owned(), self.path(name).to_string_lossy().into_owned()]);
            }
        }
        files
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.path("plugins")
    }

    pub(crate) fn socket(&self, plugin: &str) -> PathBuf {
        self.plugins().join(format!("{plugin}.sock"))
    }

    /// Arguments of `serve` with our files and plugin directory.
    pub(crate) fn serve_arguments(&self) -> Vec<String> {
        let mut args = vec!["serve".to_owned(), "--plugin-dir".to_owned()];
        args.push(self.plugins().to_string_lossy().into_owned());
        args.extend(self.files());
        args
    }

    /// `serve`, expected to fail at once.
    pub(crate) fn serve_fails(&self) -> String {
        let args = self.serve_arguments();
        let said = self.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(said.code, Some(1), "{said:?}");
        said.err
    }

    /// `serve`, started; its log is `log` in our directory.
    pub(crate) fn serve(&self) -> Running {
        let args = self.serve_arguments();
        let mut command = self.command(&args.iter().map(String::as_str).collect::<Vec<_>>());
        Running::start(&mut command, &self.path("log"))
    }

    /// The development cloud, without bridges and loop devices, ready.
    pub(crate) fn cloud(&self) -> (Running, SocketAddr) {
        let address = free_port();
        let (listen, dir) = (address.to_string(), self.path("cloud"));
        let args = ["devcloud", "--no-data-path", "--listen", &listen, "--dir", &dir.to_string_lossy()];
        let mut cloud = Running::start(&mut self.command(&args), &self.path("cloud.log"));
        cloud.until("the cloud listens", || std::net::TcpStream::connect(address).is_ok());
        (cloud, address)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // The volume plugin makes its directory a mount of its own, which outlives the process on purpose.
        let volumes = self.path("volumes");
        while rustix::mount::unmount(&volumes, rustix::mount::UnmountFlags::DETACH).is_ok() {}
    }
}

/// A loopback port that nobody uses right now.
pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A process of ours; killed at the latest with the test.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).unwrap();
        let output = file.try_clone().unwrap().into();
        Self::start_with_output(command, output, log)
    }

    /// The log is of standard error only.
    pub(crate) fn start_with_output(command: &mut Command, output: Stdio, log: &Path) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdout(output).stderr(file);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `holds`, with this process alive.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{what}: ended with {status}: {}", self.log());
            }
            assert!(Instant::now() < end, "{what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn until_listening(&mut self, socket: &Path) {
        self.until("it listens", || UnixStream::connect(socket).is_ok());
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
