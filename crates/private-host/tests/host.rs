//! A private host with a real engine. Its own `main`, because the host's first process is this executable again.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use private_host::{Docker, DockerOptions, PrivateHost, Root, Settings};

type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    private_host::intercept();
    let tests = vec![
        Trial::test("a_host_has_no_way_out", a_host_has_no_way_out),
        Trial::test("nothing_survives_the_host", nothing_survives_the_host),
        Trial::test("a_container_runs_in_a_private_engine", a_container_runs_in_a_private_engine),
    ];
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn host() -> Result<(tempfile::TempDir, PrivateHost), Failed> {
    let dir = tempfile::tempdir()?;
    let settings =
        Settings { name: "one".into(), dir: dir.path().join("one"), root: Root::Machine, share: Vec::new() };
    let host = PrivateHost::start(&settings)?;
    Ok((dir, host))
}

fn a_host_has_no_way_out() -> Outcome {
    let (_dir, host) = host()?;
    for args in [["-4", "route"], ["-6", "route"]] {
        let output = host.command("ip").args(args).output()?;
        assert!(output.status.success(), "{output:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("default"), "{output:?}");
    }
    let name = host.command("hostname").output()?;
    assert_eq!(String::from_utf8_lossy(&name.stdout).trim(), "one");
    Ok(())
}

fn nothing_survives_the_host() -> Outcome {
    let (dir, mut host) = host()?;
    let mut sleeper = host.spawn("sleep", &["1000"], &dir.path().join("log"))?;
    let pid = sleeper.pid().ok_or("no pid")?;
    assert!(sleeper.is_running());
    host.stop();
    assert!(sleeper.wait(std::time::Duration::from_secs(5)).is_some());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    Ok(())
}

fn a_container_runs_in_a_private_engine() -> Outcome {
    let (_dir, host) = host()?;
    let docker = Docker::start(&host.place(), &DockerOptions::default())?;
    docker.import_busybox("busybox")?;
    assert_eq!(docker.run(&["run", "--rm", "--network", "none", "busybox", "echo", "hello"])?, "hello");
    Ok(())
}
