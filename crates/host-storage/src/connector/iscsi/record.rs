//! Node records of open-iscsi.
//!
//! iscsiadm takes values of a record only as arguments, which every user of this host can see; so what it wrote is
//! rewritten here, as one new file in the place of the old.
//!
//! Source: `idbm.c` of open-iscsi. A record is `nodes/TARGET/ADDRESS,PORT` or `nodes/TARGET/ADDRESS,PORT,GROUP/INTERFACE`
//! below `/etc/iscsi` (Debian 12) or `/var/lib/iscsi` (Debian 13), with a line `name = value` for each value.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{IscsiPath, Portal};
use crate::connector::{Machine, Secrets};
use crate::{Error, Result, sysfs};

const ROOTS: [&str; 2] = ["/etc/iscsi", "/var/lib/iscsi"];
/// The only interface of ours: TCP by the kernel, over whatever network leads there.
pub(crate) const INTERFACE: &str = "default";

/// The files that hold the record of this way, oldest place first.
pub(crate) fn find(machine: &Machine, path: &IscsiPath) -> Vec<PathBuf> {
    let nodes = ROOTS.iter().map(|r| machine.path(r).join("nodes").join(path.target.as_str()));
    let mut found = Vec::new();
    for node in nodes {
        for name in sysfs::names(&node).iter().filter(|n| is_of(n, path.portal)) {
            let place = node.join(name);
            let file = if place.is_dir() { place.join(INTERFACE) } else { place };
            if file.is_file() {
                found.push(file);
            }
        }
    }
    found
}

fn is_of(name: &str, portal: Portal) -> bool {
    let mut parts = name.split(',');
    let address = parts.next().map(|a| a.trim_start_matches('[').trim_end_matches(']'));
    address.and_then(|a| a.parse::<IpAddr>().ok()) == Some(portal.address())
        && parts.next().and_then(|p| p.parse().ok()) == Some(portal.port())
}

/// Writes into the record how this host logs in: never by itself, looking for no disks, with these secrets. `several`
/// ways make one of them less patient.
///
/// # Errors
/// The record cannot be written.
pub(crate) fn settle(machine: &Machine, path: &IscsiPath, secrets: &Secrets, several: bool) -> Result<()> {
    for file in find(machine, path) {
        let old = std::fs::read_to_string(&file).map_err(|e| Error::io("read", &file, e))?;
        let new = rewritten(&old, secrets, several);
        let part = part(machine, &file, path);
        replace(&file, &part, &new)?;
    }
    Ok(())
}

/// Takes away what a [`settle`] that was killed left.
///
/// # Errors
/// It is there and cannot be removed.
pub(crate) fn remove_parts(machine: &Machine, path: &IscsiPath) -> Result<()> {
    for root in ROOTS {
        let part = machine.path(root).join(part_name(path));
        match std::fs::remove_file(&part) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &part, e)),
            _ => {}
        }
    }
    Ok(())
}

/// Outside of `nodes`, where every file is taken for a record; with a name that the next attempt finds again.
pub(super) fn part(machine: &Machine, file: &Path, path: &IscsiPath) -> PathBuf {
    let roots = ROOTS.iter().map(|r| machine.path(r));
    let root = roots.into_iter().find(|r| file.starts_with(r)).unwrap_or_else(|| machine.path(ROOTS[0]));
    root.join(part_name(path))
}

/// No longer than a file's name may be, whatever the target's.
fn part_name(path: &IscsiPath) -> String {
    let name = format!("{} {}", path.target, path.portal);
    format!(".kuryr-{}", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).simple())
}

fn replace(file: &Path, part: &Path, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| Error::io("write", part, e);
    let _ = std::fs::remove_file(part);
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
    new.write_all(text.as_bytes()).and_then(|()| new.sync_all()).map_err(failed)?;
    std::fs::rename(part, file).map_err(|e| Error::io("replace", file, e))?;
    // Not to lose it with a power failure between login and the next start, which reads it.
    let dir = file.parent().unwrap_or(file);
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io("write back", dir, e))
}

const LOGIN: &str = "node.session.auth.";

fn rewritten(old: &str, secrets: &Secrets, several: bool) -> String {
    let retries = if several { "1" } else { "3" };
    let mut wanted = vec![
        // What is to be here after a boot is decided by our journal.
        ("node.startup", "manual"),
        ("node.conn[0].startup", "manual"),
        // Other volumes of the target are not our business.
        ("node.session.scan", "manual"),
        // Times the login's own deadline of 15 s: who waits for the container should hear of a dead portal.
        ("node.session.initial_login_retry_max", retries),
        ("node.conn[0].timeo.login_timeout", "15"),
    ];
    match (&secrets.user, &secrets.password) {
        (Some(user), Some(password)) => wanted.extend([
            ("node.session.auth.authmethod", "CHAP"),
            ("node.session.auth.username", user.as_str()),
            ("node.session.auth.password", password.as_str()),
        ]),
        _ => wanted.push(("node.session.auth.authmethod", "None")),
    }
    let key = |line: &str| line.split_once('=').map_or("", |(k, _)| k.trim()).to_owned();
    // Of the old credentials, only the list of algorithms stays.
    let stale = |k: &str| k.starts_with(LOGIN) && !k.ends_with("chap_algs");
    let kept = old.lines().filter(|line| {
        let key = key(line);
        !line.starts_with("# END") && !stale(&key) && wanted.iter().all(|(k, _)| *k != key)
    });
    let mut text = String::new();
    for line in kept {
        text.push_str(line);
        text.push('\n');
    }
    for (name, value) in &wanted {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text.push_str("# END RECORD\n");
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::connector::scsi::Lun;

    const OLD: &str = "# BEGIN RECORD 2.1.11\nnode.name = iqn.a\nnode.startup = automatic\n\
        node.session.auth.authmethod = CHAP\nnode.session.auth.username = old\nnode.session.auth.password = old\n\
        node.session.auth.chap_algs = MD5\nnode.session.scan = auto\nnode.conn[0].address = fd00::1\n# END RECORD\n";

    fn path() -> IscsiPath {
        IscsiPath {
            portal: Portal::try_from("[fd00::1]:3260").unwrap(),
            target: "iqn.a".try_into().unwrap(),
            lun: Lun(1),
        }
    }

    fn chap() -> Secrets {
        Secrets { user: Some("me".into()), password: Some("hush = hush".into()) }
    }

    fn lines(text: &str) -> Vec<&str> {
        text.lines().collect()
    }

    #[test]
    fn h47_a_record_never_logs_in_by_itself_and_looks_for_nothing() {
        let new = rewritten(OLD, &chap(), false);
        let lines = lines(&new);
        for line in [
            "node.startup = manual",
            "node.session.scan = manual",
            "node.session.auth.authmethod = CHAP",
            "node.session.auth.username = me",
            "node.session.auth.password = hush = hush",
            "node.session.auth.chap_algs = MD5",
            "node.conn[0].address = fd00::1",
        ] {
            assert_eq!(lines.iter().filter(|l| **l == line).count(), 1, "{line} in {new}");
        }
        assert!(!new.contains("automatic") && !new.contains("auto\n") && !new.contains("= old"), "{new}");
        assert_eq!((lines[0], *lines.last().unwrap()), ("# BEGIN RECORD 2.1.11", "# END RECORD"));
        assert_eq!(rewritten(&new, &chap(), false), new, "again is the same");
    }

    #[test]
    fn credentials_of_a_former_login_do_not_stay() {
        let new = rewritten(OLD, &Secrets::default(), true);
        assert!(new.contains("authmethod = None\n") && !new.contains("old"), "{new}");
    }

    #[test]
    fn a_record_is_found_in_either_place_and_form_and_replaced_at_once() {
        for (root, name) in [
            ("etc/iscsi", "fd00::1,3260"),
            ("var/lib/iscsi", "fd00::1,3260"),
            ("etc/iscsi", "fd00::1,3260,1/default"),
            ("var/lib/iscsi", "[fd00::1],3260,4711/default"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let machine = Machine::at(dir.path());
            let node = dir.path().join(root).join("nodes/iqn.a");
            let file = node.join(name);
            for other in [file.clone(), node.join("fd00::2,3260"), node.join("fd00::1,3261")] {
                std::fs::create_dir_all(other.parent().unwrap()).unwrap();
                std::fs::write(&other, OLD).unwrap();
            }
            assert_eq!(find(&machine, &path()), std::slice::from_ref(&file));
            settle(&machine, &path(), &chap(), false).unwrap();
            assert!(std::fs::read_to_string(&file).unwrap().contains("hush"));
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::read_to_string(node.join("fd00::2,3260")).unwrap(), OLD);
            assert_eq!(sysfs::names(&dir.path().join(root)), ["nodes"], "nothing else is left");
        }
    }

    #[test]
    fn a_secret_that_a_killed_attempt_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine::at(dir.path());
        std::fs::create_dir_all(dir.path().join("var/lib/iscsi")).unwrap();
        let left = dir.path().join("var/lib/iscsi").join(part_name(&path()));
        std::fs::write(&left, "hush").unwrap();
        remove_parts(&machine, &path()).unwrap();
        assert!(!left.exists());
        remove_parts(&machine, &path()).unwrap();
    }
}
