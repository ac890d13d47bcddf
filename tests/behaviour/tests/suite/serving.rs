//! Other ways to serve: TLS as the slides configure it, and the demo on an engine that is somebody's.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use private_host::HostProcess;
use serde_json::json;
use testkit::{Certificates, World};

use crate::Case;
use crate::networks::{create, remove};

pub(crate) const CASES: &[Case] = &[
    ("docker_reaches_the_plugin_over_tls_with_its_certificate_and_nobody_without", tls),
    ("the_demo_leaves_somebodys_engine_as_it_was", demo),
    ("an_interrupted_demo_leaves_nothing_on_somebodys_engine", demo_interrupted),
    ("the_demo_refuses_an_engine_whose_things_it_would_disturb", demo_refused),
];

const ADDRESS: &str = "https://127.0.0.1:23750";

fn tls(world: &mut World) -> Result<()> {
    let certificates = Certificates::make(&world.dir().join("certificates"))?;
    // The engine remembers how it reached a plugin for as long as it lives.
    world.docker.kill();
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    let etc = PrivateEtc::mount(world, &certificates)?;
    let plugin = serve(world, &certificates)?;
    world.relaunch_docker()?;
    let outcome = walk(world, &certificates);
    plugin.stop(Duration::from_secs(30)).context("the plugin did not end")?;
    outcome?;
    world.docker.kill();
    etc.unmount(world)?;
    world.start_plugin()?;
    world.relaunch_docker()
}

fn walk(world: &World, certificates: &Certificates) -> Result<()> {
    ensure!(!world.plugin_socket("kuryr").exists(), "a socket would come before the address with TLS");
    let url = format!("{ADDRESS}/Plugin.Activate");
    ensure!(certificates.post(&world.outside(), &url, true)? == 200);
    let refused = certificates.post(&world.outside(), &url, false);
    ensure!(refused.is_err(), "served without a certificate: {refused:?}");

    create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
    world.run("one", &["--network", "foo"])?;
    world.run("two", &["--network", "foo"])?;
    let two = world.address("two", "foo")?.to_string();
    world.ping("one", &two)?;
    remove(world, &["one", "two"], &["foo"])
}

/// The plugin as the slides have it: `[default]`, `enable_ssl = True`, a certificate and a key.
fn serve(world: &World, certificates: &Certificates) -> Result<HostProcess> {
    let file = world.dir().join("tls.conf");
    let ordinary = fs::read_to_string(world.dir().join("kuryr.conf"))?;
    let slide = format!(
        "[default]\nenable_ssl = True\nssl_cert_file = {}\nssl_key_file = {}\nssl_ca_file = {}\n\n",
        certificates.certificate("server").display(),
        certificates.key("server").display(),
        certificates.certificate("ca").display()
    );
    fs::write(&file, slide + &ordinary)?;
    let elsewhere = world.dir().join("elsewhere");
    let (file, plugins) = (file.to_string_lossy(), elsewhere.to_string_lossy());
    let mut plugin =
        world.spawn_kuryr(&["serve", "--only", "kuryr", "--config-file", &file, "--plugin-dir", &plugins])?;
    let end = Instant::now() + Duration::from_secs(20);
    let url = format!("{ADDRESS}/Plugin.Activate");
    while certificates.post(&world.outside(), &url, true).is_err() {
        ensure!(plugin.is_running() && Instant::now() < end, "no TLS: {}", world.plugin_log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(plugin)
}

/// `/etc` of the private host with the engine's description of the plugin on top; the machine's own stays untouched.
struct PrivateEtc;

impl PrivateEtc {
    fn mount(world: &World, certificates: &Certificates) -> Result<Self> {
        let (upper, work) = (world.dir().join("etc-upper"), world.dir().join("etc-work"));
        let plugins = upper.join("docker/plugins");
        fs::create_dir_all(&plugins)?;
        fs::create_dir_all(&work)?;
        let description = json!({"Name": "kuryr", "Addr": ADDRESS, "TLSConfig": {
            "InsecureSkipVerify": false,
            "CAFile": certificates.certificate("ca"),
            "CertFile": certificates.certificate("client"),
            "KeyFile": certificates.key("client"),
        }});
        fs::write(plugins.join("kuryr.json"), description.to_string())?;
        let options = format!("lowerdir=/etc,upperdir={},workdir={}", upper.display(), work.display());
        run(world, "mount", &["-t", "overlay", "overlay", "-o", &options, "/etc"])?;
        Ok(Self)
    }

    fn unmount(self, world: &World) -> Result<()> {
        run(world, "umount", &["/etc"])
    }
}

fn run(world: &World, program: &str, args: &[&str]) -> Result<()> {
    let output = world.host().command(program).args(args).output()?;
    ensure!(output.status.success(), "{program} {args:?}: {output:?}");
    Ok(())
}

const DEMO: &str = "the demo brings a development cloud of its own, with bridges and volumes on this host";
const ENGINE: &str = "unix:///run/docker.sock";

fn demo(world: &mut World) -> Result<()> {
    world.only_on_devcloud(DEMO)?;
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    // The engine has the image under another name, so that the demo brings its own.
    world.docker(&["image", "tag", "busybox", "kept"])?;
    world.docker(&["image", "rm", "busybox"])?;
    let before = traces(world)?;
    let output = world.kuryr(&["demo", "--docker", ENGINE])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && text.contains("Every step held."), "{output:?}");
    let after = traces(world)?;
    ensure!(before == after, "{before}\nis now\n{after}");
    world.docker(&["image", "tag", "kept", "busybox"])?;
    world.docker(&["image", "rm", "kept"])?;
    world.start_plugin()
}

fn demo_interrupted(world: &mut World) -> Result<()> {
    world.only_on_devcloud(DEMO)?;
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    let before = traces(world)?;
    let mut demo = world.spawn_kuryr(&["demo", "--docker", ENGINE])?;
    let end = Instant::now() + Duration::from_secs(60);
    // In the middle of it: a network, containers and a cloud are there.
    while !world.plugin_log().contains("\n3. A fixed address") {
        ensure!(demo.is_running() && Instant::now() < end, "{}", world.plugin_log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = demo.stop(Duration::from_secs(60)).context("the demo did not end")?;
    ensure!(!status.success() && world.plugin_log().contains("interrupted"), "{}", world.plugin_log());
    let after = traces(world)?;
    ensure!(before == after, "{before}\nis now\n{after}");
    world.start_plugin()
}

fn demo_refused(world: &mut World) -> Result<()> {
    world.only_on_devcloud(DEMO)?;
    let refused = |world: &World, what: &str| -> Result<()> {
        let output = world.kuryr(&["demo", "--docker", ENGINE])?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && error.contains(what), "{output:?}");
        Ok(())
    };
    refused(world, "kuryr.sock already")?;
    world.run("one", &["--network", "none"])?;
    refused(world, "a container named one")?;
    world.docker(&["exec", "one", "true"])?;
    world.remove("one")?;
    world.docker(&["volume", "create", "-d", "fuxi", "-o", "size=1", "my_vol"])?;
    refused(world, "a volume named my_vol")?;
    world.docker(&["volume", "rm", "my_vol"]).map(drop)
}

/// What a demo might leave behind in engine and kernel.
fn traces(world: &World) -> Result<String> {
    let mut found = Vec::new();
    for kind in ["image", "network", "volume"] {
        found.push(world.docker(&[kind, "ls", "--quiet"])?);
    }
    found.push(world.docker(&["image", "ls", "--format", "{{.Repository}}"])?);
    for (program, args) in [
        ("ip", &["-brief", "address"][..]),
        ("nft", &["list", "tables"]),
        ("find", &["/var/tmp", "-maxdepth", "1", "-name", "kuryr-demo-*"]),
        ("find", &["/run/docker/plugins"]),
        ("ps", &["-e", "-o", "args"]),
    ] {
        let output = world.host().command(program).args(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The looking itself is no trace.
        let lines: Vec<&str> =
            text.lines().filter(|l| !l.starts_with("ps ") && !l.starts_with('[')).collect();
        found.push(lines.join("\n"));
    }
    for device in fs::read_dir("/sys/block")?.flatten() {
        let backing = fs::read_to_string(device.path().join("loop/backing_file")).unwrap_or_default();
        if backing.contains("kuryr-demo-") {
            found.push(backing);
        }
    }
    Ok(found.join("\n"))
}
