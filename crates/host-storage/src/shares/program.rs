//! Which program mounts a share, and with which arguments.
//!
//! Sources: nfs(5), mount.cifs(8), mount.ceph(8), glusterfs(8).

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::connector::Secrets;
use crate::shares::{Export, MountOptions, Protocol};
use crate::{Error, Result};

/// Nobody else who can write to a share decides what runs with privileges here.
const ALWAYS: [&str; 2] = ["nodev", "nosuid"];
/// Where a program that takes a file of secrets finds it: its standard input, which is an anonymous file.
const SECRETS: &str = "/dev/stdin";

/// A program to run.
pub(super) struct Invocation {
    pub(super) program: &'static str,
    /// The Debian package that has it.
    pub(super) package: &'static str,
    pub(super) arguments: Vec<OsString>,
    /// What it reads from [`SECRETS`].
    pub(super) secret: Option<String>,
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl Invocation {
    /// How `export` is mounted on `mountpoint`.
    pub(super) fn of(
        export: &Export,
        given: &MountOptions,
        read_only: bool,
        secrets: &Secrets,
        mountpoint: &Path,
    ) -> Result<Self> {
        let mut words: Vec<String> = vec![if read_only { "ro" } else { "rw" }.to_owned()];
        words.extend(
            ALWAYS.iter().filter(|a| !given.has(&[a.trim_start_matches("no")])).map(|a| (*a).to_owned()),
        );
        let mut secret = None;
        let (program, package) = match export.protocol() {
            Protocol::Nfs => {
                // It tries 4.2 first and goes down to 3; how long is our deadline's business.
                words.extend((!given.has(&["retry"])).then(|| "retry=0".to_owned()));
                ("mount.nfs", "nfs-common")
            }
            Protocol::Cifs => {
                match &secrets.user {
                    None => words.push("guest".into()),
                    Some(user) => {
                        words.push(format!("credentials={SECRETS}"));
                        secret = Some(cifs_credentials(export, user, secrets.password.as_deref())?);
                    }
                }
                ("mount.cifs", "cifs-utils")
            }
            Protocol::CephFs => {
                let missing = || Error::Export {
                    export: export.source().to_owned(),
                    reason: "CephFS needs a Ceph id and its key; see the share's access rules".into(),
                };
                let id = secrets.user.as_deref().filter(|id| is_ceph_id(id)).ok_or_else(missing)?;
                words.push(format!("name={id}"));
                words.push(format!("secretfile={SECRETS}"));
                secret = Some(secrets.password.clone().filter(|k| is_line(k)).ok_or_else(missing)?);
                ("mount.ceph", "ceph-common")
            }
            Protocol::GlusterFs => return Ok(gluster(export, given, read_only, &words, mountpoint)),
        };
        words.extend(given.words().filter(|w| w != "suid"));
        let arguments = vec![export.source().into(), mountpoint.into(), "-o".into(), words.join(",").into()];
        Ok(Self { program, package, arguments, secret })
    }
}

/// Its daemon itself, because mount.glusterfs is a shell script.
fn gluster(
    export: &Export,
    given: &MountOptions,
    read_only: bool,
    words: &[String],
    mountpoint: &Path,
) -> Invocation {
    let (generic, own) = given.split();
    let mut arguments: Vec<OsString> = vec![
        format!("--volfile-server={}", export.server()).into(),
        format!("--volfile-id={}", export.path()).into(),
    ];
    arguments.extend(read_only.then(|| "--read-only".into()));
    arguments.extend(own.into_iter().map(|(key, value)| {
        if value.is_empty() { format!("--{key}") } else { format!("--{key}={value}") }.into()
    }));
    let mount: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|w| !["ro", "rw"].contains(w))
        .chain(generic.into_iter().map(|(key, _)| *key).filter(|k| *k != "suid"))
        .collect();
    arguments.push(format!("--fuse-mountopts={}", mount.join(",")).into());
    arguments.push(mountpoint.into());
    Invocation { program: "glusterfs", package: "glusterfs-client", arguments, secret: None }
}

fn cifs_credentials(export: &Export, user: &str, password: Option<&str>) -> Result<String> {
    let password = password.unwrap_or_default();
    if !is_line(user) || !(password.is_empty() || is_line(password)) {
        return Err(Error::Export {
            export: export.source().to_owned(),
            reason: "user and password for CIFS are one line each".into(),
        });
    }
    Ok(format!("username={user}\npassword={password}\n"))
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= 512 && !text.contains(char::is_control)
}

fn is_ceph_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(protocol: Protocol, export: &str, options: &str, secrets: &Secrets) -> Result<Invocation> {
        let export = Export::parse(protocol, export).unwrap();
        let options = MountOptions::parse(protocol, options).unwrap();
        Invocation::of(&export, &options, false, secrets, Path::new("/v/x"))
    }

    fn line(invocation: &Invocation) -> String {
        let words: Vec<_> = invocation.arguments.iter().map(|a| a.to_string_lossy()).collect();
        format!("{} {}", invocation.program, words.join(" "))
    }

    fn secrets(user: &str, password: &str) -> Secrets {
        Secrets { user: Some(user.into()), password: Some(password.into()) }
    }

    #[test]
    fn each_protocol_has_its_program() {
        let none = Secrets::default();
        let nfs = invocation(Protocol::Nfs, "[fd00::5]:/x", "vers=4.1,noatime", &none).unwrap();
        assert_eq!(line(&nfs), "mount.nfs [fd00::5]:/x /v/x -o rw,nodev,nosuid,retry=0,vers=4.1,noatime");
        let cifs = invocation(Protocol::Cifs, r"\\h\s", "vers=3.0", &none).unwrap();
        assert_eq!(line(&cifs), "mount.cifs //h/s /v/x -o rw,nodev,nosuid,guest,vers=3.0");
        let ceph = invocation(Protocol::CephFs, "10.0.0.1:6789:/v/u", "fs=a", &secrets("me", "k==")).unwrap();
        assert_eq!(
            line(&ceph),
            "mount.ceph 10.0.0.1:6789:/v/u /v/x -o rw,nodev,nosuid,name=me,secretfile=/dev/stdin,fs=a"
        );
        let gluster = invocation(Protocol::GlusterFs, "h:/vol", "acl,noatime", &none).unwrap();
        assert_eq!(
            line(&gluster),
            "glusterfs --volfile-server=h --volfile-id=/vol --acl --fuse-mountopts=nodev,nosuid,noatime /v/x"
        );
        let suid = invocation(Protocol::Nfs, "h:/x", "suid", &none).unwrap();
        assert_eq!(line(&suid), "mount.nfs h:/x /v/x -o rw,nodev,retry=0");
    }

    #[test]
    fn h59_no_secret_is_among_the_arguments_nor_shown() {
        for invocation in [
            invocation(Protocol::Cifs, r"\\h\s", "", &secrets("user", "s3cret,ro")).unwrap(),
            invocation(Protocol::CephFs, "10.0.0.1:/v/u", "", &secrets("user", "s3cret")).unwrap(),
        ] {
            assert!(!line(&invocation).contains("s3cret") && !format!("{invocation:?}").contains("s3cret"));
            assert!(invocation.secret.unwrap().contains("s3cret"));
        }
    }

    #[test]
    fn credentials_that_could_be_something_else_are_refused() {
        assert!(invocation(Protocol::Cifs, r"\\h\s", "", &secrets("a\npassword=b", "x")).is_err());
        assert!(invocation(Protocol::Cifs, r"\\h\s", "", &secrets("a", "x\ndomain=b")).is_err());
        for id in ["a,secret=b", "", "a.b", "a b", "a/b"] {
            assert!(invocation(Protocol::CephFs, "h:/x", "", &secrets(id, "k")).is_err(), "{id}");
        }
        assert!(invocation(Protocol::CephFs, "h:/x", "", &secrets("id", "")).is_err());
        assert!(invocation(Protocol::CephFs, "h:/x", "", &Secrets::default()).is_err());
    }
}
