//! Where configuration files are: named ones, directories, default places.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::problem::Cause;

/// Upper bound of one file, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Files and directories to read, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// At most one file per name.
    pub files: Vec<PathBuf>,
    /// At most one directory per name; read after the files.
    pub dirs: Vec<PathBuf>,
}

/// The places where oslo.config looks when no file is named: `~/.<project>`, `~`, `/etc/<project>`, `/etc`,
/// `$SNAP_COMMON/etc/<project>`, `$SNAP/etc/<project>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Home directory; without one its places are left out.
    pub home: Option<PathBuf>,
    /// `/etc`, except in tests.
    pub etc: PathBuf,
    /// `$SNAP_COMMON`.
    pub snap_common: Option<PathBuf>,
    /// `$SNAP`.
    pub snap: Option<PathBuf>,
}

impl Places {
    /// Takes `HOME`, `SNAP_COMMON` and `SNAP` from a view of the environment.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            home: path("HOME"),
            etc: PathBuf::from("/etc"),
            snap_common: path("SNAP_COMMON"),
            snap: path("SNAP"),
        }
    }

    fn of(&self, project: &str) -> Vec<PathBuf> {
        let in_snap = |snap: &PathBuf| snap.join("etc").join(project);
        [
            self.home.as_ref().map(|home| home.join(format!(".{project}"))),
            self.home.clone(),
            Some(self.etc.join(project)),
            Some(self.etc.clone()),
            self.snap_common.as_ref().map(in_snap),
            self.snap.as_ref().map(in_snap),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// For each of `names` (the project's own name first, then for instance `kuryr-server`) the first
    /// existing `<name>.conf` and the first existing `<name>.conf.d`.
    pub fn find(&self, project: &str, names: &[&str]) -> Found {
        let places = self.of(project);
        let mut found = Found::default();
        for name in names {
            let file = places.iter().map(|p| p.join(format!("{name}.conf"))).find(|p| p.is_file());
            let dir = places.iter().map(|p| p.join(format!("{name}.conf.d"))).find(|p| p.is_dir());
            found.files.extend(file);
            found.dirs.extend(dir);
        }
        found
    }
}

/// The `*.conf` files of a directory, sorted by name, hidden ones left out.
pub(crate) fn files_of(dir: &Path) -> Result<Vec<PathBuf>, Cause> {
    let unreadable = |e: std::io::Error| Cause::Unreadable(e.to_string());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".conf") && !text.starts_with('.') {
            files.push(dir.join(&name));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a whole file of bounded size.
pub(crate) fn read(path: &Path) -> Result<String, Cause> {
    let unreadable = |e: std::io::Error| Cause::Unreadable(e.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LIMIT {
        return Err(Cause::TooLarge { limit: LIMIT });
    }
    String::from_utf8(bytes).map_err(|_| Cause::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> Places {
        Places {
            home: Some(root.join("home")),
            etc: root.join("etc"),
            snap_common: Some(root.join("common")),
            snap: Some(root.join("snap")),
        }
    }

    fn touch(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn the_first_existing_place_of_the_default_path_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let p = root.path();
        let order = [
            "snap/etc/kuryr/kuryr.conf",
            "common/etc/kuryr/kuryr.conf",
            "etc/kuryr.conf",
            "etc/kuryr/kuryr.conf",
            "home/kuryr.conf",
            "home/.kuryr/kuryr.conf",
        ];
        for file in order {
            touch(&p.join(file));
            assert_eq!(places(p).find("kuryr", &["kuryr"]).files, [p.join(file)]);
        }
    }

    #[test]
    fn drop_in_directories_and_the_programs_own_name_are_found_too() {
        let root = tempfile::tempdir().unwrap();
        let p = root.path();
        touch(&p.join("etc/kuryr/kuryr-server.conf"));
        touch(&p.join("home/kuryr.conf"));
        touch(&p.join("etc/kuryr/kuryr.conf.d/a.conf"));
        let found = places(p).find("kuryr", &["kuryr", "kuryr-server"]);
        assert_eq!(found.files, [p.join("home/kuryr.conf"), p.join("etc/kuryr/kuryr-server.conf")]);
        assert_eq!(found.dirs, [p.join("etc/kuryr/kuryr.conf.d")]);
    }

    #[test]
    fn only_visible_conf_files_of_a_directory_count_and_they_are_sorted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["20-b.conf", "10-a.conf", ".hidden.conf", "readme", "30.conf.bak"] {
            touch(&root.path().join(name));
        }
        let files = files_of(root.path()).unwrap();
        assert_eq!(files, [root.path().join("10-a.conf"), root.path().join("20-b.conf")]);
    }

    #[test]
    fn places_come_from_the_given_environment_only() {
        let places = Places::from_env(|name| (name == "HOME").then(|| "/home/u".to_owned()));
        assert_eq!(places.home, Some(PathBuf::from("/home/u")));
        assert_eq!(places.snap, None);
    }

    #[test]
    fn an_endless_file_is_refused() {
        assert_eq!(read(Path::new("/dev/zero")), Err(Cause::TooLarge { limit: LIMIT }));
    }
}
