//! The other ways to be reached: TLS as the slides configure it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use private_host::HostProcess;
use serde_json::json;
use testkit::{Certificates, World};

use crate::Case;
use crate::networks::{create, remove};

pub(crate) const CASES: &[Case] =
    &[("docker_reaches_the_plugin_over_tls_with_its_certificate_and_nobody_without", tls)];

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
    world.docker(&["exec", "one", "ping", "-c", "1", "-W", "5", &two])?;
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
