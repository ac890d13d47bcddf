//! TLS between Docker and the plugins, as the slides configure it, with the certificates of `kuryr tls init`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use private_host::HostProcess;
use testkit::{Certificates, World};

use crate::Case;
use crate::networks::{create, remove};

pub(crate) const CASES: &[Case] = &[
    ("docker_reaches_the_plugin_over_tls_with_its_certificate_and_nobody_without", network),
    ("a_container_has_network_and_volume_over_tls_and_goes_on_when_certificates_are_renewed", both),
];

/// A plugin, where it listens, and what else a configuration of it is called.
#[derive(Clone, Copy)]
struct Plugin {
    name: &'static str,
    address: &'static str,
    option: &'static str,
}

const KURYR: Plugin = Plugin { name: "kuryr", address: "https://127.0.0.1:23750", option: "--config-file" };
const FUXI: Plugin = Plugin { name: "fuxi", address: "https://127.0.0.1:7879", option: "--fuxi-config-file" };

fn network(world: &mut World) -> Result<()> {
    over_tls(world, &[KURYR], |world, _| {
        create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
        world.run("one", &["--network", "foo"])?;
        world.run("two", &["--network", "foo"])?;
        let two = world.address("two", "foo")?.to_string();
        world.ping("one", &two)?;
        remove(world, &["one", "two"], &["foo"])
    })
}

fn both(world: &mut World) -> Result<()> {
    world.needs_volumes()?;
    over_tls(world, &[KURYR, FUXI], |world, certificates| {
        create(world, "foo", "10.20.0.0/24", "10.20.0.1")?;
        world.docker(&["volume", "create", "--driver", "fuxi", "my_vol"])?;
        let start = |world: &World, name: &str| -> Result<()> {
            world.run(name, &["--network", "foo", "--volume", "my_vol:/data"])?;
            world.docker(&["exec", name, "sh", "-c", "echo $HOSTNAME >> /data/hosts"]).map(drop)
        };
        start(world, "one")?;
        // A new authority and new pairs, in the places of the old ones.
        let renewed = world.dir().join("renewed");
        let output = world.kuryr(&["tls", "init", "--dir", &renewed.to_string_lossy()])?;
        ensure!(output.status.success(), "{output:?}");
        for entry in fs::read_dir(&renewed)?.flatten() {
            if entry.path().extension().is_some_and(|e| e != "json") {
                fs::rename(entry.path(), certificates.certificate("ca").with_file_name(entry.file_name()))?;
            }
        }
        fs::remove_dir_all(&renewed)?;
        let url = format!("{}/Plugin.Activate", FUXI.address);
        ensure!(certificates.post(&world.outside(), &url, true)? == 200, "renewed certificates are not used");
        // Docker goes on with the connections it has and what it read when it started.
        world.docker(&["exec", "one", "ls", "/data/hosts"])?;
        world.remove("one")?;
        world.docker.kill();
        world.relaunch_docker()?;
        start(world, "two")?;
        let lines = world.docker(&["exec", "two", "cat", "/data/hosts"])?;
        ensure!(lines.lines().count() == 2, "{lines}");
        remove(world, &["two"], &["foo"])?;
        world.docker(&["volume", "rm", "my_vol"]).map(drop)
    })
}

/// Has `work` done with the engine speaking TLS to these plugins and nothing else.
fn over_tls(
    world: &mut World,
    plugins: &[Plugin],
    work: impl FnOnce(&mut World, &Certificates) -> Result<()>,
) -> Result<()> {
    let dir = world.dir().join("certificates");
    if !dir.exists() {
        let output = world.kuryr(&["tls", "init", "--dir", &dir.to_string_lossy()])?;
        ensure!(output.status.success(), "{output:?}");
    }
    let certificates = Certificates::in_directory(&dir);
    // The engine remembers how it reached a plugin for as long as it lives.
    world.docker.kill();
    ensure!(world.stop_plugin(), "the plugin did not end: {}", world.plugin_log());
    let etc = PrivateEtc::mount(world, &dir, plugins)?;
    let plugin = serve(world, &certificates, plugins)?;
    world.relaunch_docker()?;
    let outcome = admits_only_docker(world, &certificates, plugins).and_then(|()| work(world, &certificates));
    plugin.stop(Duration::from_secs(30)).context("the plugin did not end")?;
    outcome?;
    world.docker.kill();
    etc.unmount(world)?;
    fs::remove_dir_all(&dir)?;
    world.start_plugin()?;
    world.relaunch_docker()
}

fn admits_only_docker(world: &World, certificates: &Certificates, plugins: &[Plugin]) -> Result<()> {
    for plugin in plugins {
        ensure!(
            !world.plugin_socket(plugin.name).exists(),
            "a socket would come before the address with TLS"
        );
        let url = format!("{}/Plugin.Activate", plugin.address);
        ensure!(certificates.post(&world.outside(), &url, true)? == 200);
        let refused = certificates.post(&world.outside(), &url, false);
        ensure!(refused.is_err(), "served without a certificate: {refused:?}");
    }
    Ok(())
}

/// The plugins as the slides have it: `[default]`, `enable_ssl = True`, a certificate and a key.
fn serve(world: &World, certificates: &Certificates, plugins: &[Plugin]) -> Result<HostProcess> {
    let elsewhere = world.dir().join("elsewhere").to_string_lossy().into_owned();
    let mut args = vec!["serve".to_owned(), "--plugin-dir".to_owned(), elsewhere];
    if let [only] = plugins {
        args.extend(["--only".to_owned(), only.name.to_owned()]);
    }
    for plugin in plugins {
        let file = world.dir().join(format!("{}-tls.conf", plugin.name));
        let ordinary = fs::read_to_string(world.dir().join(format!("{}.conf", plugin.name)))?;
        let slide = format!(
            "[default]\nenable_ssl = True\nssl_cert_file = {}\nssl_key_file = {}\nssl_ca_file = {}\n\n",
            certificates.certificate("server").display(),
            certificates.key("server").display(),
            certificates.certificate("ca").display()
        );
        fs::write(&file, slide + &ordinary)?;
        args.extend([plugin.option.to_owned(), file.to_string_lossy().into_owned()]);
    }
    let mut process = world.spawn_kuryr(&args.iter().map(String::as_str).collect::<Vec<_>>())?;
    for plugin in plugins {
        let end = Instant::now() + Duration::from_secs(20);
        let url = format!("{}/Plugin.Activate", plugin.address);
        while certificates.post(&world.outside(), &url, true).is_err() {
            ensure!(process.is_running() && Instant::now() < end, "no TLS: {}", world.plugin_log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(process)
}

/// `/etc` of the private host with the engine's descriptions of the plugins on top; the machine's own stays untouched.
struct PrivateEtc;

impl PrivateEtc {
    fn mount(world: &World, certificates: &std::path::Path, plugins: &[Plugin]) -> Result<Self> {
        let (upper, work) = (world.dir().join("etc-upper"), world.dir().join("etc-work"));
        for left in [&upper, &work] {
            if left.exists() {
                fs::remove_dir_all(left)?;
            }
        }
        let descriptions = upper.join("docker/plugins");
        fs::create_dir_all(&descriptions)?;
        fs::create_dir_all(&work)?;
        for plugin in plugins {
            let file = format!("{}.json", plugin.name);
            fs::copy(certificates.join(&file), descriptions.join(&file))?;
        }
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
