//! One volume by several ways.

use super::{Disk, Patience, remove};
use crate::connector::{Machine, multipath};
use crate::{Error, Result};

/// How a driver brings a disk here by one way, and ends a way that does not work.
pub(crate) trait Ways: Sync {
    /// One way.
    type Way: Sync;
    /// Has the disk appear.
    fn bring(&self, way: &Self::Way) -> Result<Disk>;
    /// Takes away what [`Ways::bring`] left when it failed.
    fn leave(&self, way: &Self::Way);
}

/// What the connection information says of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a, W> {
    pub(crate) ways: &'a [W],
    /// It must be a multipath map.
    pub(crate) enforced: bool,
    pub(crate) volume: &'a str,
}

/// Brings the disk here: if multipathd runs, by all ways at the same time, and has it make a map of them; else by the
/// first that works. The disk that is answered has the map on it, if there is one.
///
/// # Errors
/// What the ways answered, if none works; [`Error::Connection`] without a map that is enforced.
pub(crate) fn bring<D: Ways>(
    machine: &Machine,
    driver: &D,
    choice: &Choice<'_, D::Way>,
    patience: &Patience,
) -> Result<Disk> {
    let refused =
        |reason: &str| Error::Connection { volume: choice.volume.to_owned(), reason: reason.to_owned() };
    let together = (choice.ways.len() > 1 || choice.enforced) && multipath::runs(machine);
    if choice.enforced && !together {
        return Err(refused("multipath is enforced, and multipathd does not run; install multipath-tools"));
    }
    let (disks, errors) = if together { all(driver, choice) } else { first(driver, choice) };
    let Some((one, others)) = disks.split_first() else { return Err(joined(choice.volume, errors)) };
    for error in errors {
        tracing::warn!(volume = choice.volume, %error, "connected without one of its ways");
    }
    if together && multipath::gather(machine, &disks, patience)?.is_none() {
        if choice.enforced {
            return Err(refused("multipathd made no map; check its blacklist and `multipathd show paths`"));
        }
        // Two names of one disk, with nothing that knows it, are one too many.
        remove(machine, others, None, patience)?;
    }
    Ok(one.clone())
}

fn first<D: Ways>(driver: &D, choice: &Choice<'_, D::Way>) -> (Vec<Disk>, Vec<Error>) {
    let mut errors = Vec::new();
    for way in choice.ways {
        match driver.bring(way) {
            Ok(disk) => return (vec![disk], errors),
            Err(error) => {
                errors.push(error);
                driver.leave(way);
            }
        }
    }
    (Vec::new(), errors)
}

fn all<D: Ways>(driver: &D, choice: &Choice<'_, D::Way>) -> (Vec<Disk>, Vec<Error>) {
    let (mut disks, mut errors) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = choice.ways.iter().map(|w| scope.spawn(move || driver.bring(w))).collect();
        for thread in threads {
            match thread.join() {
                Ok(Ok(disk)) => disks.push(disk),
                Ok(Err(error)) => errors.push(error),
                Err(_) => errors.push(joined(choice.volume, Vec::new())),
            }
        }
    });
    (disks, errors)
}

/// One error as it is; several in one line.
fn joined(volume: &str, mut errors: Vec<Error>) -> Error {
    if errors.len() == 1
        && let Some(error) = errors.pop()
    {
        return error;
    }
    let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let reason = if all.is_empty() { "it was interrupted; try again".to_owned() } else { all.join("; ") };
    Error::Connection { volume: volume.to_owned(), reason }
}
