//! The managed plugin on a node.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Node;
use crate::cloud_host::ADDRESS;

/// Makes, sets and enables `kuryr` from the directory that was packaged.
pub(crate) fn install(node: &Node, packaged: &Path, more: &[String]) -> Result<()> {
    // From outside, where the directory is.
    let socket = format!("unix:///proc/{}/root/run/docker.sock", node.init()?);
    let output = Command::new("docker")
        .args(["--host", &socket, "plugin", "create", "kuryr"])
        .arg(packaged.join("kuryr"))
        .output()
        .context("start docker")?;
    ensure!(output.status.success(), "docker plugin create on {}: {output:?}", node.name());
    let dir = |sub: &str| -> Result<String> {
        let path = node.dir().join("plugin").join(sub);
        std::fs::create_dir_all(&path)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let mut set = vec![
        format!("IDENTITY_URL=http://{ADDRESS}:5000/identity/v3"),
        "SERVICE_USER=demo".to_owned(),
        "SERVICE_PASSWORD=secret".to_owned(),
        "SERVICE_PROJECT_NAME=demo".to_owned(),
        "LOG_LEVEL=debug".to_owned(),
        format!("state.source={}", dir("state")?),
        format!("log.source={}", dir("log")?),
        format!("openvswitch.source={}", dir("nothing")?),
        format!("kuryr-conf.source={}", dir("nothing")?),
    ];
    set.extend_from_slice(more);
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    node.docker(&[&["plugin", "set", "kuryr"][..], &set].concat())?;
    node.docker(&["plugin", "enable", "kuryr"]).map(drop)
}
