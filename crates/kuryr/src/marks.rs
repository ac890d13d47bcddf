//! What stands on everything we make, so that it can be told later whose it is.
//!
//! A mark names the object's record and this installation: a random id that lives as long as the state directory.
//! Whoever has another state directory, on this host or elsewhere, has other marks, and so has the Python driver,
//! which has none.

use journal::StateDir;

use crate::Result;

/// Where the installation's id is kept.
const FILE: &str = "installation";
/// Before the mark in a description.
const BEFORE: &str = ", mark ";

/// The marks of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    installation: String,
}

impl Marks {
    /// Reads the installation's id, or decides it.
    pub(crate) fn open(state: &StateDir) -> Result<Self> {
        let installation = state.fact(FILE, || uuid::Uuid::new_v4().simple().to_string())?;
        Ok(Self { installation })
    }

    /// A mark nobody has yet.
    pub(crate) fn fresh(&self) -> String {
        self.of(&uuid::Uuid::new_v4().simple().to_string())
    }

    /// The mark of the object with this record.
    pub(crate) fn of(&self, record: &str) -> String {
        format!("{record}.{}", self.installation)
    }

    /// The description of a port made for a reservation.
    pub(crate) fn port_description(&self, reservation: &str) -> String {
        format!("made by kuryr{BEFORE}{}", self.of(reservation))
    }

    /// The mark in a description, if this installation put it there.
    pub(crate) fn ours<'a>(&self, description: &'a str) -> Option<&'a str> {
        let mark = mark_in(description)?;
        let (record, installation) = mark.split_once('.')?;
        (installation == self.installation && !record.is_empty()).then_some(mark)
    }

    /// The record in a mark of ours.
    pub(crate) fn record<'a>(&self, mark: &'a str) -> &'a str {
        mark.split_once('.').map_or(mark, |(record, _)| record)
    }

    /// The port in the mark at a link, if this installation put it there.
    pub(crate) fn port_of_link<'a>(&self, mark: &'a str) -> Option<&'a str> {
        let (port, installation) = mark.strip_prefix(crate::names::MARK)?.split_once('.')?;
        (installation == self.installation && !port.is_empty()).then_some(port)
    }
}

/// The mark in a description, whoever put it there.
pub(crate) fn mark_in(description: &str) -> Option<&str> {
    let (before, mark) = description.rsplit_once(BEFORE)?;
    before.ends_with("made by kuryr").then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_another_installation_and_of_earlier_versions_are_not_ours() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let state = StateDir::open(dir.path()).unwrap();
        let marks = Marks::open(&state).unwrap();
        let theirs = Marks::open(&StateDir::open(other.path()).unwrap()).unwrap();
        assert_eq!(marks, Marks::open(&state).unwrap());
        let text = marks.port_description("r");
        assert_eq!(marks.ours(&text).map(|m| marks.record(m)), Some("r"));
        assert_eq!(theirs.ours(&text), None);
        let group = format!("ports exposed by containers on a host, {}", marks.port_description("g"));
        assert_eq!(marks.ours(&group).map(|m| marks.record(m)), Some("g"));
        for foreign in ["", "made by kuryr, mark 12", "made by kuryr", &marks.fresh(), ", mark x."] {
            assert_eq!(marks.ours(foreign), None, "{foreign}");
        }
        let link = marks.of(&crate::names::mark("p"));
        assert_eq!(marks.port_of_link(&link), Some("p"));
        assert_eq!(theirs.port_of_link(&link), None);
        assert_eq!(marks.port_of_link(&crate::names::mark("p")), None);
        assert!(marks.ours(&format!("made by kuryr, mark .{}", marks.installation)).is_none());
    }
}
