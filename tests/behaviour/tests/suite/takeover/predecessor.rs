//! A plugin that calls its pools by the UUIDs of subnet pools, as the Python driver does: ours, behind a socket that
//! translates the ids.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use private_host::HostProcess;
use serde_json::Value;
use testkit::World;

/// What stands between the engine and the plugin.
struct Translator {
    plugin: PathBuf,
    /// The pool's id for Docker.
    public: String,
    /// And for the plugin, once it is known.
    private: Mutex<Option<String>>,
    /// The engine's connections, which end with the plugin.
    open: Mutex<Vec<UnixStream>>,
}

pub(super) struct Predecessor {
    process: HostProcess,
    socket: PathBuf,
    translator: Arc<Translator>,
}

impl Predecessor {
    /// Serves one network, whose pool Docker is to know as `pool`.
    pub(super) fn start(world: &World, pool: &str) -> Result<Self> {
        let dir = world.dir().join("predecessor");
        fs::create_dir_all(&dir)?;
        let (file, plugins) = (world.dir().join("kuryr.conf"), dir.to_string_lossy().into_owned());
        let file = file.to_string_lossy();
        let args = ["serve", "--only", "kuryr", "--config-file", &file, "--plugin-dir", &plugins];
        let mut process = world.spawn_kuryr(&args)?;
        let plugin = dir.join("kuryr.sock");
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&plugin).is_err() {
            ensure!(process.is_running() && Instant::now() < end, "no plugin: {}", world.plugin_log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let socket = world.plugin_socket("kuryr");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket)?;
        let (plugin, public) = (plugin, pool.to_owned());
        let translator =
            Arc::new(Translator { plugin, public, private: Mutex::default(), open: Mutex::default() });
        let serving = Arc::clone(&translator);
        // Ends with the suite: nobody connects once the socket is gone.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let translator = Arc::clone(&serving);
                translator.open().extend(stream.try_clone());
                std::thread::spawn(move || translator.serve(stream));
            }
        });
        Ok(Self { process, socket, translator })
    }

    pub(super) fn stop(self, world: &World) -> Result<()> {
        ensure!(self.process.stop(Duration::from_secs(30)).is_some_and(|s| s.success()), "no orderly end");
        fs::remove_file(&self.socket)?;
        for stream in self.translator.open().drain(..) {
            stream.shutdown(std::net::Shutdown::Both)?;
        }
        Ok(fs::remove_dir_all(world.dir().join("predecessor"))?)
    }
}

impl Translator {
    fn open(&self) -> MutexGuard<'_, Vec<UnixStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut docker: UnixStream) {
        while let Ok((head, body)) = message(&mut docker) {
            if self.exchange(&mut docker, &head, body).is_err() {
                return;
            }
        }
    }

    fn exchange(&self, docker: &mut UnixStream, head: &str, body: Vec<u8>) -> Result<()> {
        let body = self.translated(body, |id| (id == self.public).then(|| self.private()).flatten());
        let mut plugin = UnixStream::connect(&self.plugin)?;
        send(&mut plugin, head, &body)?;
        let (status, answer) = message(&mut plugin)?;
        if head.contains("IpamDriver.RequestPool") {
            let id = serde_json::from_slice::<Value>(&answer).ok();
            let id = id.and_then(|v| v.get("PoolID").and_then(Value::as_str).map(str::to_owned));
            *self.private.lock().unwrap_or_else(PoisonError::into_inner) = id;
        }
        let answer = self
            .translated(answer, |id| (Some(id) == self.private().as_deref()).then(|| self.public.clone()));
        send(docker, &status, &answer)
    }

    fn private(&self) -> Option<String> {
        self.private.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn translated(&self, body: Vec<u8>, other: impl Fn(&str) -> Option<String>) -> Vec<u8> {
        let Ok(mut value) = serde_json::from_slice::<Value>(&body) else { return body };
        if let Some(id) = value.get_mut("PoolID")
            && let Some(translated) = id.as_str().and_then(other)
        {
            *id = translated.into();
            return value.to_string().into_bytes();
        }
        body
    }
}

/// Head without its length, and body, of an HTTP message.
fn message(stream: &mut UnixStream) -> Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read(&mut byte)? == 1, "the other side has gone");
        head.extend(byte);
    }
    let head = String::from_utf8(head)?;
    let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let length = head.lines().find(is_length).and_then(|line| line.split(':').nth(1)).unwrap_or("0");
    let mut body = vec![0; length.trim().parse().context("length")?];
    stream.read_exact(&mut body)?;
    let rest: Vec<&str> = head.lines().filter(|l| !l.is_empty() && !is_length(l)).collect();
    Ok((rest.join("\r\n"), body))
}

fn send(stream: &mut UnixStream, head: &str, body: &[u8]) -> Result<()> {
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n", body.len())?;
    Ok(stream.write_all(body)?)
}
