//! `cargo xtask package oci`: an image with the static command, as a directory in OCI's image layout
//! (<https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>), for `skopeo copy oci:DIR ...`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::tree::Tree;
use super::{VERSION, directory, epoch, static_binary};
use crate::exec::program;

/// Which command is in the image.
#[derive(Debug, Args)]
pub(crate) struct Oci {
    /// This one, which must need no library, instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

impl Oci {
    pub(super) fn make(self) -> Result<PathBuf> {
        match self.binary {
            Some(binary) => of(&std::path::absolute(binary)?),
            None => of(&static_binary::make()?),
        }
    }
}

/// The image of that command.
fn of(binary: &Path) -> Result<PathBuf> {
    let time = epoch()?;
    let root = Tree::fresh(directory()?.join("oci-root"))?;
    root.copy(binary, "usr/bin/kuryr", 0o755)?;
    // Authorities of clouds' certificates come with the command's TLS; /tmp and the like are mounted by who runs it.
    let layer = directory()?.join("layer.tar");
    program("tar")
        .args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"])
        .arg(format!("--mtime=@{time}"))
        .arg("--file")
        .arg(&layer)
        .arg("--directory")
        .arg(root.root())
        .arg("usr")
        .run()?;
    let layout = Tree::fresh(directory()?.join(format!("kuryr-{VERSION}-oci")))?;
    let created =
        program("date").args(["--utc", &format!("--date=@{time}"), "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
    let created = created.trim();
    let layer = blob(&layout, &fs::read(&layer)?, "application/vnd.oci.image.layer.v1.tar")?;
    let config = json!({
        "created": created, "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/usr/bin/kuryr"], "Cmd": ["serve"]},
        // An uncompressed layer is its own content.
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        "history": [{"created": created, "created_by": "cargo xtask package oci"}],
    });
    let config = blob(&layout, config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json")?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
        "annotations": {"org.opencontainers.image.version": VERSION, "org.opencontainers.image.licenses": "Apache-2.0"},
    });
    let mut manifest =
        blob(&layout, manifest.to_string().as_bytes(), "application/vnd.oci.image.manifest.v1+json")?;
    manifest.annotations = Some(json!({"org.opencontainers.image.ref.name": VERSION}));
    manifest.platform = Some(json!({"architecture": "amd64", "os": "linux"}));
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest],
    });
    layout.write("index.json", index.to_string(), 0o644)?;
    layout.write("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string(), 0o644)?;
    Ok(layout.root().to_owned())
}

/// OCI's content descriptor.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Value>,
}

/// Puts content under its digest and describes it.
fn blob(layout: &Tree, content: &[u8], media_type: &str) -> Result<Descriptor> {
    let fresh = layout.root().with_extension("blob");
    fs::write(&fresh, content)?;
    let sum = program("sha256sum").arg(&fresh).output()?;
    fs::remove_file(&fresh)?;
    let digest = sum.split_whitespace().next().context("sha256sum says nothing")?;
    layout.write(&format!("blobs/sha256/{digest}"), content, 0o644)?;
    Ok(Descriptor {
        media_type: media_type.to_owned(),
        digest: format!("sha256:{digest}"),
        size: content.len(),
        annotations: None,
        platform: None,
    })
}
