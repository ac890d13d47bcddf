//! The files under `/etc/docker/plugins` or `/usr/lib/docker/plugins` by which Docker finds a plugin that listens on
//! no socket under `/run/docker/plugins`.
//!
//! A socket of the same name comes first: do not leave both.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Error, error::Result};

/// What Docker is to use as a TLS client, by the names of `kuryr.json`-like files.
///
/// Without `ca_file` Docker does not verify the server at all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTls {
    /// Do not verify the server.
    #[serde(rename = "InsecureSkipVerify", default)]
    pub insecure_skip_verify: bool,
    /// Authority of the server's certificate.
    #[serde(rename = "CAFile", default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Docker's own certificate.
    #[serde(rename = "CertFile", default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Docker's own key.
    #[serde(rename = "KeyFile", default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct JsonFile<'a> {
    #[serde(rename = "Name")]
    name: &'a str,
    #[serde(rename = "Addr")]
    address: &'a str,
    #[serde(rename = "TLSConfig", skip_serializing_if = "Option::is_none")]
    tls: Option<&'a ClientTls>,
}

/// Writes `<directory>/<name>.spec`, which holds nothing but `url`: `unix:///run/x.sock`, `tcp://host:port`,
/// `http://host:port` or `https://host:port`. Returns its path.
///
/// # Errors
/// A name Docker would not find again; a file that cannot be written.
pub fn write_spec(directory: &Path, name: &str, url: &str) -> Result<PathBuf> {
    write(directory, name, "spec", format!("{url}\n").as_bytes())
}

/// Writes `<directory>/<name>.json`. TLS is used only if `url` begins with `https`. Returns its path.
///
/// # Errors
/// A name Docker would not find again; a file that cannot be written.
pub fn write_json(directory: &Path, name: &str, url: &str, tls: Option<&ClientTls>) -> Result<PathBuf> {
    let mut text = serde_json::to_vec_pretty(&JsonFile { name, address: url, tls }).map_err(|error| {
        Error::DiscoveryFile { path: directory.join(format!("{name}.json")), source: io::Error::other(error) }
    })?;
    text.push(b'\n');
    write(directory, name, "json", &text)
}

/// Writes a file in one step: Docker sees the old one or the new one.
fn write(directory: &Path, name: &str, extension: &str, text: &[u8]) -> Result<PathBuf> {
    let valid = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(valid) {
        return Err(Error::PluginName { name: name.to_owned() });
    }
    let path = directory.join(format!("{name}.{extension}"));
    let fresh = directory.join(format!(".{name}.{extension}.new"));
    let put = || -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let mut file = File::create(&fresh)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(directory)?.sync_all()
    };
    put().map_err(|source| Error::DiscoveryFile { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_file_is_one_url() {
        let directory = tempfile::tempdir().unwrap();
        let path = write_spec(&directory.path().join("plugins"), "kuryr", "tcp://127.0.0.1:23750").unwrap();
        assert!(path.ends_with("plugins/kuryr.spec"));
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), "tcp://127.0.0.1:23750");
    }

    #[test]
    fn a_json_file_has_the_names_docker_reads_and_is_replaced_in_one_step() {
        let directory = tempfile::tempdir().unwrap();
        let tls = ClientTls {
            ca_file: Some("/c/ca.pem".into()),
            cert_file: Some("/c/cert.pem".into()),
            key_file: Some("/c/key.pem".into()),
            ..ClientTls::default()
        };
        write_json(directory.path(), "kuryr", "http://old", None).unwrap();
        let path = write_json(directory.path(), "kuryr", "https://127.0.0.1:23750", Some(&tls)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"Name": "kuryr", "Addr": "https://127.0.0.1:23750", "TLSConfig":
                {"InsecureSkipVerify": false, "CAFile": "/c/ca.pem", "CertFile": "/c/cert.pem", "KeyFile": "/c/key.pem"}})
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_name_that_leaves_the_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["", "../kuryr", "a/b", ".hidden", "a:b"] {
            assert!(
                matches!(write_spec(directory.path(), name, "x"), Err(Error::PluginName { .. })),
                "{name}"
            );
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = write_spec(file.path(), "kuryr", "x").unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
