//! A private host with a real engine. Its own `main`, because the host's first process is this executable again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use private_host::{Docker, DockerOptions, Place, PrivateHost, Root, Settings};
use rustix::process::Signal;

type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    private_host::intercept();
    let tests = vec![
        Trial::test("a_host_has_no_way_out", a_host_has_no_way_out),
        Trial::test("nothing_survives_the_host", nothing_survives_the_host),
        Trial::test("what_stood_still_goes_on_and_ends", what_stood_still_goes_on_and_ends),
        Trial::test("another_process_joins_a_running_host", another_process_joins_a_running_host),
        Trial::test("changes_kept_in_layers_are_seen_again", changes_kept_in_layers_are_seen_again),
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

fn what_stood_still_goes_on_and_ends() -> Outcome {
    let (dir, host) = host()?;
    let patience = Duration::from_secs(5);
    for wakes in [true, false] {
        let sleeper = host.spawn("sleep", &["1000"], &dir.path().join("log"))?;
        let pid = sleeper.pid().ok_or("no pid")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let entry =
            stat.rsplit(')').next().and_then(|s| s.split_whitespace().nth(1)).ok_or("no parent")?.to_owned();
        sleeper.signal(Signal::STOP);
        let end = Instant::now() + patience;
        // The one that entered the host for it stands still, too.
        while !std::fs::read_to_string(format!("/proc/{entry}/stat"))?.contains(") T ") {
            assert!(Instant::now() < end, "the entry goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if wakes {
                sleeper.signal(Signal::CONT);
                let _ = done.send(sleeper.stop(patience).is_some());
            } else {
                sleeper.kill();
                let _ = done.send(true);
            }
        });
        assert_eq!(ended.recv_timeout(2 * patience), Ok(true), "woken first: {wakes}");
    }
    Ok(())
}

fn another_process_joins_a_running_host() -> Outcome {
    let (dir, mut host) = host()?;
    let joined = Place::join(host.pid(), dir.path())?;
    let output = joined.command("hostname").output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "one");
    assert!(Place::join(std::process::id(), dir.path()).is_err());
    let pid = host.pid();
    host.stop();
    assert!(Place::join(pid, dir.path()).is_err());
    Ok(())
}

fn changes_kept_in_layers_are_seen_again() -> Outcome {
    // Not `/tmp`: that may itself be an overlay or memory.
    let dir = tempfile::tempdir_in("/var/tmp")?;
    let (base, layer) = (dir.path().join("base"), dir.path().join("layer"));
    for sub in ["bin", "dev", "proc", "run", "sys", "tmp"] {
        std::fs::create_dir_all(base.join(sub))?;
    }
    std::fs::create_dir_all(&layer)?;
    std::fs::write(base.join("one"), "base")?;
    std::fs::write(base.join("two"), "base")?;
    std::fs::write(layer.join("two"), "layer")?;
    // The first process needs `ip` inside.
    std::fs::copy("/bin/busybox", base.join("bin/busybox"))?;
    for applet in ["ip", "cat"] {
        std::os::unix::fs::symlink("busybox", base.join("bin").join(applet))?;
    }
    let settings = Settings {
        name: "one".into(),
        dir: dir.path().join("one"),
        root: Root::Layers(vec![layer, base]),
        share: Vec::new(),
    };
    let host = PrivateHost::start(&settings)?;
    let output = host.command("/bin/cat").args(["/one", "/two"]).output()?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "baselayer", "{output:?}");
    Ok(())
}

fn a_container_runs_in_a_private_engine() -> Outcome {
    let (_dir, host) = host()?;
    let docker = Docker::start(&host.place(), &DockerOptions::default())?;
    docker.import_busybox("busybox")?;
    assert_eq!(docker.run(&["run", "--rm", "--network", "none", "busybox", "echo", "hello"])?, "hello");
    Ok(())
}
